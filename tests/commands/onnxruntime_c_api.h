/* What docs/export/graph.c needs of ONNX Runtime's header of this name, which Python packages of ONNX Runtime lack.
   The table of functions keeps its order in all versions: `before_...` stand for functions that are not called. */
#include <stddef.h>
#include <stdint.h>

#define ORT_API_VERSION 16

typedef struct OrtEnv OrtEnv;
typedef struct OrtStatus OrtStatus;
typedef struct OrtSession OrtSession;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtRunOptions OrtRunOptions;
typedef struct OrtValue OrtValue;
typedef struct OrtMemoryInfo OrtMemoryInfo;
typedef struct OrtTensorTypeAndShapeInfo OrtTensorTypeAndShapeInfo;
typedef struct OrtModelMetadata OrtModelMetadata;
typedef struct OrtAllocator OrtAllocator;
typedef enum { ORT_LOGGING_LEVEL_WARNING = 2 } OrtLoggingLevel;
typedef enum { OrtArenaAllocator = 1 } OrtAllocatorType;
typedef enum { OrtMemTypeDefault = 0 } OrtMemType;
typedef int ONNXTensorElementDataType;

typedef struct {
  void *before_2[2];
  const char *(*GetErrorMessage)(const OrtStatus *);
  OrtStatus *(*CreateEnv)(OrtLoggingLevel, const char *, OrtEnv **);
  void *before_7[3];
  OrtStatus *(*CreateSession)(const OrtEnv *, const char *, const OrtSessionOptions *, OrtSession **);
  void *before_9[1];
  OrtStatus *(*Run)(OrtSession *, const OrtRunOptions *, const char *const *, const OrtValue *const *, size_t,
                    const char *const *, size_t, OrtValue **);
  OrtStatus *(*CreateSessionOptions)(OrtSessionOptions **);
  void *before_24[13];
  OrtStatus *(*SetIntraOpNumThreads)(OrtSessionOptions *, int);
  void *before_49[24];
  OrtStatus *(*CreateTensorWithDataAsOrtValue)(const OrtMemoryInfo *, void *, size_t, const int64_t *, size_t,
                                               ONNXTensorElementDataType, OrtValue **);
  void *before_51[1];
  OrtStatus *(*GetTensorMutableData)(OrtValue *, void **);
  void *before_60[8];
  OrtStatus *(*GetTensorElementType)(const OrtTensorTypeAndShapeInfo *, ONNXTensorElementDataType *);
  void *before_64[3];
  OrtStatus *(*GetTensorShapeElementCount)(const OrtTensorTypeAndShapeInfo *, size_t *);
  OrtStatus *(*GetTensorTypeAndShape)(const OrtValue *, OrtTensorTypeAndShapeInfo **);
  void *before_69[3];
  OrtStatus *(*CreateCpuMemoryInfo)(OrtAllocatorType, OrtMemType, OrtMemoryInfo **);
  void *before_76[6];
  OrtStatus *(*AllocatorFree)(OrtAllocator *, void *);
  void *before_78[1];
  OrtStatus *(*GetAllocatorWithDefaultOptions)(OrtAllocator **);
  void *before_92[13];
  void (*ReleaseEnv)(OrtEnv *);
  void *before_94[1];
  void (*ReleaseMemoryInfo)(OrtMemoryInfo *);
  void (*ReleaseSession)(OrtSession *);
  void (*ReleaseValue)(OrtValue *);
  void *before_99[2];
  void (*ReleaseTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo *);
  void (*ReleaseSessionOptions)(OrtSessionOptions *);
  void *before_111[10];
  OrtStatus *(*SessionGetModelMetadata)(const OrtSession *, OrtModelMetadata **);
  void *before_116[4];
  OrtStatus *(*ModelMetadataLookupCustomMetadataMap)(const OrtModelMetadata *, OrtAllocator *, const char *, char **);
  void *before_118[1];
  void (*ReleaseModelMetadata)(OrtModelMetadata *);
} OrtApi;

typedef struct {
  const OrtApi *(*GetApi)(uint32_t);
  const char *(*GetVersionString)(void);
} OrtApiBase;

const OrtApiBase *OrtGetApiBase(void);
