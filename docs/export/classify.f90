! As classify.c does.
! cc -c graph.c -o graph_c.o -I$ORT/include && gfortran -c graph.f90
! gfortran classify.f90 graph.o graph_c.o -o classify -L$ORT/lib -lonnxruntime -Wl,-rpath,$ORT/lib
program classify
  use graph
  implicit none
  real(c_float), target :: picture(28, 28, 1), probability(10, 1)
  character(1000) :: file
  type(c_ptr) :: model
  integer :: number

  call get_command_argument(1, file)
  picture = 0
  picture(14:15, 5:24, 1) = 1
  model = graph_open(file, 1)
  call graph_input(model, "intensity", graph_float, c_loc(picture), [1, 28, 28])
  call graph_run(model, "probability", c_loc(probability), int(storage_size(probability) / 8, c_int64_t) * size(probability))
  do number = 0, 9
    print "(i0, f9.6)", number, probability(number + 1, 1)
  end do
  call graph_close(model)
end program
