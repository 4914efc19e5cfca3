/* The probabilities of the classes of one picture: a complete program.
   cc classify.c graph.c -o classify -I$ORT/include -L$ORT/lib -lonnxruntime -Wl,-rpath,$ORT/lib
   ./classify digits.onnx
   $ORT is the folder of ONNX Runtime. */
#include "graph.h"

#include <stdio.h>

int main(int count, char **arguments) {
  static float picture[1][28][28]; /* black */
  float probability[1][10];
  const int64_t shape[] = {1, 28, 28};
  if (count != 2) {
    fprintf(stderr, "usage: classify model.onnx\n");
    return 1;
  }
  for (int row = 4; row < 24; row++) picture[0][row][13] = picture[0][row][14] = 1.0f; /* a stroke */
  Graph *graph = graph_open(arguments[1], 1);
  graph_input(graph, "intensity", GRAPH_FLOAT, picture, 3, shape);
  graph_run(graph, "probability", probability, sizeof probability);
  for (int class = 0; class < 10; class++) printf("%d %.6f\n", class, probability[0][class]);
  graph_close(graph);
  return 0;
}
