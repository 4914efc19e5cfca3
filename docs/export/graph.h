/* A graph that dlgd.export has written, run by ONNX Runtime. All functions stop the program after an error. */
#ifndef GRAPH_H
#define GRAPH_H
#include <stdint.h>

typedef struct Graph Graph;
enum { GRAPH_FLOAT = 1, GRAPH_DOUBLE = 11 }; /* the types of values: float32 and float64 */

/* Load a file. threads: that one run may use. */
Graph *graph_open(const char *file, int threads);

/* Give an input by its name. The values, of a shape in C's order (sample first), are not copied: they are read by
   graph_run, and may change before the next one. */
void graph_input(Graph *graph, const char *name, int type, void *values, int dims, const int64_t *shape);

/* Compute the output of this name, and copy it to `values`, which has room for `bytes` bytes, no more and no fewer. */
void graph_run(Graph *graph, const char *name, void *values, int64_t bytes);

/* Print the facts that dlgd has written into the file: names, dimensions, units, padding, run. */
void graph_print_facts(Graph *graph);

void graph_close(Graph *graph);
#endif
