/* edgeclip_engine.h: the inference engine of edgeclip as a C library: tensors in, tensors out.
 *
 * A session is a graph of a plan (what `edgeclip-edge build` writes) with its weights; a context runs it.
 *
 *   edgeclip_session* session;
 *   edgeclip_context* context;
 *   edgeclip_session_open("plan", NULL, NULL, &session);
 *   edgeclip_context_create(session, &context);
 *   edgeclip_bind_input(context, 0, EDGECLIP_FLOAT32, dims, 4, pixels, sizeof pixels);
 *   edgeclip_run(context);
 *   edgeclip_output(context, 0, &result);
 *
 * Errors.  What can fail returns an edgeclip_status; edgeclip_last_error() is its one line of text.  A call
 * that fails changes nothing but that text, unless it says so.  Nothing is thrown across this header, nothing
 * ends the process, nothing is written to stdout or stderr.  A null pointer where none is allowed, an index
 * out of range and a structure of an unknown size are EDGECLIP_INVALID_INPUT.
 *
 * Threads.  Every function may be called from any thread.  Sessions are immutable and shared; a context
 * serves one call at a time (a second one is EDGECLIP_INVALID_INPUT).  Closing is the last call on a handle.
 *
 * Memory.  What is bound stays the caller's and must live while it is bound.  Texts and arrays that a
 * structure points to belong to the handle they were asked of, and live as long as it does unless said
 * otherwise.
 *
 * Versions.  Within one EDGECLIP_ABI_MAJOR functions and constants are only added, structures only grow at
 * their end: programs need not be compiled again.  docs/embedding.md has it at length.
 */
#ifndef EDGECLIP_ENGINE_H
#define EDGECLIP_ENGINE_H

#include <stddef.h>
#include <stdint.h>

/* MAJOR changes when programs have to be compiled again (libedgeclip_engine.so.MAJOR), MINOR when something is
 * added. */
#define EDGECLIP_ABI_MAJOR 1
#define EDGECLIP_ABI_MINOR 1
#define EDGECLIP_ABI_VERSION (EDGECLIP_ABI_MAJOR * 65536 + EDGECLIP_ABI_MINOR)

#if defined(__GNUC__)
#define EDGECLIP_API __attribute__((visibility("default")))
#else
#define EDGECLIP_API
#endif

/* Every structure starts with its size, which the caller sets; 0 is every other field's default.
 *   edgeclip_tensor tensor = EDGECLIP_INIT(edgeclip_tensor); */
#ifdef __cplusplus
template <class T>
inline T edgeclip_sized() {
  T value = T();
  value.struct_size = sizeof(T);
  return value;
}
#define EDGECLIP_INIT(type) edgeclip_sized<type>()
#else
#define EDGECLIP_INIT(type) \
  { .struct_size = sizeof(type) }
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The numbers are the exit codes of the programs. */
typedef int32_t edgeclip_status;
enum {
  EDGECLIP_OK = 0,
  EDGECLIP_INTERNAL_ERROR = 1, /* a fault of this library; please report the text */
  EDGECLIP_INVALID_INPUT = 2,  /* the caller's: an argument, a file; the text names the remedy */
  EDGECLIP_MACHINE_FAULT = 4 /* the machine's: memory, disk, descriptors, threads; try again, or elsewhere */
};

/* Of an element.  float16 and bfloat16 are their 16 bits, bool is a byte of 0 or 1. */
typedef int32_t edgeclip_dtype;
enum {
  EDGECLIP_FLOAT32 = 0,
  EDGECLIP_FLOAT64 = 1,
  EDGECLIP_FLOAT16 = 2,
  EDGECLIP_BFLOAT16 = 3,
  EDGECLIP_INT8 = 4,
  EDGECLIP_UINT8 = 5,
  EDGECLIP_INT16 = 6,
  EDGECLIP_UINT16 = 7,
  EDGECLIP_INT32 = 8,
  EDGECLIP_UINT32 = 9,
  EDGECLIP_INT64 = 10,
  EDGECLIP_UINT64 = 11,
  EDGECLIP_BOOL = 12
};

/* Levels of messages. */
enum { EDGECLIP_LOG_DEBUG = 0, EDGECLIP_LOG_INFO = 1, EDGECLIP_LOG_WARNING = 2 };

/* Takes one line, without its end; text lives during the call.  Called by the threads that call the library,
 * so perhaps by several at once; must not call the library. */
typedef void (*edgeclip_log_callback)(void* user, int32_t level, const char* text);

typedef struct edgeclip_session edgeclip_session;
typedef struct edgeclip_context edgeclip_context;

/* EDGECLIP_ABI_VERSION of the library that is loaded: at least that of the header, with the same MAJOR. */
EDGECLIP_API uint32_t edgeclip_abi_version(void);
/* Version of the library, "0.1.0", for people. */
EDGECLIP_API const char* edgeclip_version(void);
/* Text of the last call of this thread that failed; "" if none has.  Lives until the next one fails. */
EDGECLIP_API const char* edgeclip_last_error(void);
/* "ok", "invalid input", ...; "unknown status" for other numbers.  Static. */
EDGECLIP_API const char* edgeclip_status_name(edgeclip_status status);
/* Bytes of an element; 0 for other numbers. */
EDGECLIP_API size_t edgeclip_dtype_size(edgeclip_dtype dtype);

/* ---- Sessions ---- */

typedef struct edgeclip_session_options {
  size_t struct_size;
  int32_t threads;  /* that a run divides its work over, the caller's included; 0: all CPUs it may use */
  /* 1: packed weights are mapped from a file beside the plan, which the first run writes: processes share them and
   * start sooner (docs/embedding.md); 0: each session packs its own.  Since 1.1. */
  int32_t packed_cache;
  int64_t memory_pool_mb;    /* most memory of one context, MiB; 0: what the plan says */
  edgeclip_log_callback log; /* NULL: silence */
  void* log_user;            /* given to log */
} edgeclip_session_options;

/* Opens a graph of a plan.  path: a plan folder, or one .plan file.  graph: its name in the folder; NULL
 * where there is only one, and for a file.  options: NULL for defaults.  Reads and checks what the graph
 * needs, no more; weights stay mapped.  *session is NULL after a failure. */
EDGECLIP_API edgeclip_status edgeclip_session_open(const char* path, const char* graph,
                                                   const edgeclip_session_options* options,
                                                   edgeclip_session** session);
/* Contexts keep what they need: they may be destroyed before or after.  NULL is allowed. */
EDGECLIP_API void edgeclip_session_close(edgeclip_session* session);

/* An input or output of a graph. */
typedef struct edgeclip_tensor_info {
  size_t struct_size;
  const char* name;
  edgeclip_dtype dtype;
  int32_t rank;        /* -1: not known before a run */
  const int64_t* dims; /* rank of them; -1: any size, or one that follows from the inputs' */
  /* Of an input, the shapes that the plan was built for, rank of them each; NULL where it does not say. */
  const int64_t* min_dims;
  const int64_t* max_dims;
} edgeclip_tensor_info;

/* 0 for NULL. */
EDGECLIP_API size_t edgeclip_input_count(const edgeclip_session* session);
EDGECLIP_API size_t edgeclip_output_count(const edgeclip_session* session);
EDGECLIP_API edgeclip_status edgeclip_input_info(const edgeclip_session* session, size_t index,
                                                 edgeclip_tensor_info* info);
EDGECLIP_API edgeclip_status edgeclip_output_info(const edgeclip_session* session, size_t index,
                                                  edgeclip_tensor_info* info);

/* ---- Contexts ---- */

EDGECLIP_API edgeclip_status edgeclip_context_create(const edgeclip_session* session,
                                                     edgeclip_context** context);
/* NULL is allowed. */
EDGECLIP_API void edgeclip_context_destroy(edgeclip_context* context);

/* Binds an input: dense, row-major, aligned to its elements.  bytes must be what dtype and dims come to.
 * int32 is taken where the graph wants int64.  Only dims are copied: data is read by every edgeclip_run()
 * until another is bound.  data may be NULL if bytes is 0. */
EDGECLIP_API edgeclip_status edgeclip_bind_input(edgeclip_context* context, size_t index,
                                                 edgeclip_dtype dtype, const int64_t* dims, size_t rank,
                                                 const void* data, size_t bytes);
/* Memory for an output, of at least as many bytes as it comes to, aligned to 64 bytes for best speed and to
 * its elements at least.  NULL with 0 bytes: the context's own again, which is the default. */
EDGECLIP_API edgeclip_status edgeclip_bind_output(edgeclip_context* context, size_t index, void* data,
                                                  size_t bytes);

/* Makes the shapes that are bound ready, so that the first run is no slower than others, and
 * edgeclip_output() says what the outputs will be (data is NULL for those of the context's own). */
EDGECLIP_API edgeclip_status edgeclip_prepare(edgeclip_context* context);
/* Runs the graph on what is bound; outputs must not overlap inputs.  After a failure there are no outputs,
 * and what was bound for them holds anything. */
EDGECLIP_API edgeclip_status edgeclip_run(edgeclip_context* context);

typedef struct edgeclip_tensor {
  size_t struct_size;
  edgeclip_dtype dtype;
  int32_t rank;
  const int64_t* dims;
  const void* data; /* where it was bound, or the context's */
  size_t bytes;
} edgeclip_tensor;

/* An output of the last edgeclip_run() or edgeclip_prepare(); dims and the context's data live until the next
 * of these. */
EDGECLIP_API edgeclip_status edgeclip_output(const edgeclip_context* context, size_t index,
                                             edgeclip_tensor* tensor);

/* ---- Times by layer ---- */

/* on: starts anew; runs are measured until it is switched off, which keeps what was measured. */
EDGECLIP_API edgeclip_status edgeclip_set_profiling(edgeclip_context* context, int32_t on);

typedef struct edgeclip_layer {
  size_t struct_size;
  const char* name;      /* as in the ONNX file */
  const char* op;        /* "FusedMatMul" */
  const char* kernel;    /* what computed it: "onednn:brgemm_avx2", "reference" */
  const char* precision; /* "fp32", "bf16", "int8", ... */
  const char* output;    /* shape of the first output, "(1, 50, 768)" */
  double ms;             /* median of the runs */
  int64_t macs;          /* multiply-accumulates */
  int64_t bytes;         /* read and written, each once */
} edgeclip_layer;

/* Layers measured so far, in the order they ran, and how many runs the first has; either may be NULL.  The
 * texts of layers live until the next call of this function. */
EDGECLIP_API edgeclip_status edgeclip_profile(edgeclip_context* context, size_t* layers, size_t* runs);
/* Of the last edgeclip_profile(). */
EDGECLIP_API edgeclip_status edgeclip_profile_layer(const edgeclip_context* context, size_t index,
                                                    edgeclip_layer* layer);

#ifdef __cplusplus
}
#endif

#endif
