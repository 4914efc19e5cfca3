! The functions of graph.h for Fortran. Arrays of C have their axes the other way round: the array (sample, y, x) that a
! graph takes is declared here as (x, y, sample), and its shape is given in C's order, [samples, ny, nx].
module graph
  use, intrinsic :: iso_c_binding
  implicit none
  integer(c_int), parameter :: graph_float = 1, graph_double = 11

  interface
    function open_c(file, threads) bind(c, name="graph_open")
      import :: c_ptr, c_char, c_int
      character(kind=c_char), intent(in) :: file(*)
      integer(c_int), value :: threads
      type(c_ptr) :: open_c
    end function
    subroutine input_c(graph, name, type, values, dims, shape) bind(c, name="graph_input")
      import :: c_ptr, c_char, c_int, c_int64_t
      type(c_ptr), value :: graph, values
      character(kind=c_char), intent(in) :: name(*)
      integer(c_int), value :: type, dims
      integer(c_int64_t), intent(in) :: shape(*)
    end subroutine
    subroutine run_c(graph, name, values, bytes) bind(c, name="graph_run")
      import :: c_ptr, c_char, c_int64_t
      type(c_ptr), value :: graph, values
      character(kind=c_char), intent(in) :: name(*)
      integer(c_int64_t), value :: bytes
    end subroutine
    subroutine graph_close(graph) bind(c, name="graph_close")
      import :: c_ptr
      type(c_ptr), value :: graph
    end subroutine
  end interface

contains

  function graph_open(file, threads) result(graph)
    character(*), intent(in) :: file
    integer, intent(in) :: threads
    type(c_ptr) :: graph
    graph = open_c(trim(file)//c_null_char, int(threads, c_int))
  end function

  ! values: c_loc of an array with the attribute target, which stays where it is until the last graph_run.
  subroutine graph_input(graph, name, type, values, shape)
    type(c_ptr), intent(in) :: graph, values
    character(*), intent(in) :: name
    integer(c_int), intent(in) :: type
    integer, intent(in) :: shape(:)
    call input_c(graph, trim(name)//c_null_char, type, values, size(shape, kind=c_int), int(shape, c_int64_t))
  end subroutine

  subroutine graph_run(graph, name, values, bytes)
    type(c_ptr), intent(in) :: graph, values
    character(*), intent(in) :: name
    integer(c_int64_t), intent(in) :: bytes
    call run_c(graph, trim(name)//c_null_char, values, bytes)
  end subroutine

end module
