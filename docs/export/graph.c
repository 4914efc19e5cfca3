/* See graph.h. cc -c graph.c -I<ONNX Runtime>/include */
#include "graph.h"

#include <onnxruntime_c_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 32 }; /* inputs */

struct Graph {
  const OrtApi *api;
  OrtEnv *env;
  OrtSession *session;
  OrtMemoryInfo *memory;
  int count;
  char *names[MOST];
  OrtValue *inputs[MOST];
};

static void check(Graph *graph, OrtStatus *status) {
  if (status == NULL) return;
  fprintf(stderr, "ONNX Runtime: %s\n", graph->api->GetErrorMessage(status));
  exit(EXIT_FAILURE);
}

static void stop(const char *sentence, const char *name) {
  fprintf(stderr, "%s: %s\n", name, sentence);
  exit(EXIT_FAILURE);
}

Graph *graph_open(const char *file, int threads) {
  Graph *graph = calloc(1, sizeof *graph);
  if (graph == NULL) stop("no memory", file);
  graph->api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
  if (graph->api == NULL) stop("the library of ONNX Runtime is older than its header", file);
  const OrtApi *api = graph->api;
  OrtSessionOptions *options;
  check(graph, api->CreateEnv(ORT_LOGGING_LEVEL_WARNING, "dlgd", &graph->env));
  check(graph, api->CreateSessionOptions(&options));
  check(graph, api->SetIntraOpNumThreads(options, threads));
  check(graph, api->CreateSession(graph->env, file, options, &graph->session));
  check(graph, api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &graph->memory));
  api->ReleaseSessionOptions(options);
  return graph;
}

void graph_input(Graph *graph, const char *name, int type, void *values, int dims, const int64_t *shape) {
  int place = 0;
  while (place < graph->count && strcmp(graph->names[place], name) != 0) place++;
  if (place == MOST) stop("too many inputs", name);
  if (place == graph->count) {
    graph->names[place] = strdup(name);
    graph->count++;
  } else {
    graph->api->ReleaseValue(graph->inputs[place]);
  }
  size_t bytes = type == GRAPH_DOUBLE ? sizeof(double) : sizeof(float);
  for (int dim = 0; dim < dims; dim++) bytes *= (size_t)shape[dim];
  check(graph, graph->api->CreateTensorWithDataAsOrtValue(graph->memory, values, bytes, shape, (size_t)dims,
                                                          (ONNXTensorElementDataType)type, &graph->inputs[place]));
}

void graph_run(Graph *graph, const char *name, void *values, int64_t bytes) {
  const OrtApi *api = graph->api;
  OrtValue *output = NULL;
  OrtTensorTypeAndShapeInfo *info;
  ONNXTensorElementDataType type;
  size_t count;
  void *found;
  check(graph, api->Run(graph->session, NULL, (const char *const *)graph->names,
                        (const OrtValue *const *)graph->inputs, (size_t)graph->count, &name, 1, &output));
  check(graph, api->GetTensorTypeAndShape(output, &info));
  check(graph, api->GetTensorElementType(info, &type));
  check(graph, api->GetTensorShapeElementCount(info, &count));
  api->ReleaseTensorTypeAndShapeInfo(info);
  if ((int64_t)(count * (type == (ONNXTensorElementDataType)GRAPH_DOUBLE ? 8 : 4)) != bytes)
    stop("the output has another size", name);
  check(graph, api->GetTensorMutableData(output, &found));
  memcpy(values, found, (size_t)bytes);
  api->ReleaseValue(output);
}

void graph_print_facts(Graph *graph) {
  const OrtApi *api = graph->api;
  OrtModelMetadata *metadata;
  OrtAllocator *allocator;
  char *text = NULL;
  check(graph, api->GetAllocatorWithDefaultOptions(&allocator));
  check(graph, api->SessionGetModelMetadata(graph->session, &metadata));
  check(graph, api->ModelMetadataLookupCustomMetadataMap(metadata, allocator, "dlgd", &text));
  if (text == NULL) stop("the file holds no facts of dlgd", "dlgd");
  puts(text);
  check(graph, api->AllocatorFree(allocator, text));
  api->ReleaseModelMetadata(metadata);
}

void graph_close(Graph *graph) {
  for (int place = 0; place < graph->count; place++) {
    graph->api->ReleaseValue(graph->inputs[place]);
    free(graph->names[place]);
  }
  graph->api->ReleaseMemoryInfo(graph->memory);
  graph->api->ReleaseSession(graph->session);
  graph->api->ReleaseEnv(graph->env);
  free(graph);
}
