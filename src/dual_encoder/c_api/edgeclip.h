/* edgeclip.h: finds people by a sentence or an image, as a C library.
 *
 *   edgeclip_model* model;
 *   edgeclip_gallery* gallery;
 *   edgeclip_hit hits[10];
 *   size_t found;
 *   edgeclip_model_open("plan", NULL, &model);
 *   edgeclip_gallery_open("gallery", &gallery);
 *   edgeclip_search_text(model, gallery, "a woman in a red coat", 10, hits, &found);
 *   for (size_t i = 0; i < found; ++i) puts(edgeclip_gallery_path(gallery, hits[i].item));
 *
 * A model is a plan folder of a dual encoder (`edgeclip-edge build`), a gallery a folder of indexed images
 * (`edgeclip-edge index`).  An embedding is D float32, D = edgeclip_model_info.embedding_dim, of length 1:
 * the inner product of two is their cosine.
 *
 * Errors, memory and versions are as edgeclip_engine.h says; libedgeclip.so has that header's functions too.
 * Models and galleries are thread-safe: any number of calls at once, each of which takes the memory of a run.
 */
#ifndef EDGECLIP_H
#define EDGECLIP_H

#include "edgeclip_engine.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct edgeclip_model edgeclip_model;
typedef struct edgeclip_gallery edgeclip_gallery;

/* ---- Models ---- */

typedef struct edgeclip_model_options {
  size_t struct_size;
  int32_t threads;  /* that a call divides its work over, the caller's included; 0: all CPUs it may use */
  /* 1: packed weights are mapped from a file beside the plan, which the first run writes: processes share them and
   * start sooner (docs/embedding.md); 0: each model packs its own.  Since 1.1. */
  int32_t packed_cache;
  int64_t memory_pool_mb;    /* most memory of all calls at once, MiB; 0: each may take what the plan says */
  edgeclip_log_callback log; /* NULL: silence */
  void* log_user;            /* given to log */
} edgeclip_model_options;

/* Opens a plan folder.  options: NULL for defaults.  A tower's weights are opened, and checked, when it is
 * first used.  *model is NULL after a failure. */
EDGECLIP_API edgeclip_status edgeclip_model_open(const char* plan, const edgeclip_model_options* options,
                                                 edgeclip_model** model);
/* NULL is allowed. */
EDGECLIP_API void edgeclip_model_close(edgeclip_model* model);

typedef struct edgeclip_model_info {
  size_t struct_size;
  int32_t embedding_dim;             /* D */
  int32_t image_width, image_height; /* pixels that an image is resized to */
  int32_t context_length;            /* most tokens of a text; what is longer is cut off */
  int32_t max_batch;                 /* most rows that run at once; more are cut into such pieces */
  int32_t reserved;
  const char* name;       /* of the model */
  const char* precision;  /* "fp32" | "fp16" | "bf16" | "int8" | "mixed" */
  const char* model_hash; /* of graphs and weights, as they were built */
} edgeclip_model_info;

EDGECLIP_API edgeclip_status edgeclip_model_get_info(const edgeclip_model* model, edgeclip_model_info* info);

/* ---- Embeddings ---- */

/* embeddings: (count, D), row by row; floats: how many there is room for, at least count * D.  Texts are
 * UTF-8 and not blank. */
EDGECLIP_API edgeclip_status edgeclip_encode_texts(edgeclip_model* model, const char* const* texts,
                                                   size_t count, float* embeddings, size_t floats);
/* JPEG and PNG; other formats where the package edgeclip-media is installed.  Every image shows one person.
 */
EDGECLIP_API edgeclip_status edgeclip_encode_image_files(edgeclip_model* model, const char* const* paths,
                                                         size_t count, float* embeddings, size_t floats);

/* Pixels in memory, 8 bits each of R, G, B; row y starts at rgb + y * row_bytes.  This structure does not
 * grow. */
typedef struct edgeclip_image {
  const uint8_t* rgb;
  int32_t width, height; /* 1 to 65535 */
  size_t row_bytes;      /* at least 3 * width; 0: 3 * width */
} edgeclip_image;

EDGECLIP_API edgeclip_status edgeclip_encode_images(edgeclip_model* model, const edgeclip_image* images,
                                                    size_t count, float* embeddings, size_t floats);

/* ---- Galleries and search ---- */

/* Opens a gallery as it is now; what is added or removed later is seen by who opens it then.  Its images are not looked for.  *gallery is NULL after a failure. */
EDGECLIP_API edgeclip_status edgeclip_gallery_open(const char* path, edgeclip_gallery** gallery);
/* NULL is allowed. */
EDGECLIP_API void edgeclip_gallery_close(edgeclip_gallery* gallery);

/* Number of items, N; 0 for NULL. */
EDGECLIP_API size_t edgeclip_gallery_size(const edgeclip_gallery* gallery);
/* Where the images were when they were indexed; paths of items are relative to it (of a gallery of several folders, to the first;
 * those of the others are absolute).  "" for NULL. */
EDGECLIP_API const char* edgeclip_gallery_image_root(const edgeclip_gallery* gallery);

typedef struct edgeclip_item {
  size_t struct_size;
  const char* path;    /* below image_root, or absolute; a frame of a video: "VIDEO#frame=120" */
  const char* caption; /* "" where none is known */
  int64_t id;          /* of the person, -1 where it is not known */
  int64_t frame;       /* of a video, -1 where it is none */
} edgeclip_item;

EDGECLIP_API edgeclip_status edgeclip_gallery_item(const edgeclip_gallery* gallery, size_t index,
                                                   edgeclip_item* item);
/* edgeclip_item.path alone; NULL if there is no such item. */
EDGECLIP_API const char* edgeclip_gallery_path(const edgeclip_gallery* gallery, size_t index);

/* This structure does not grow. */
typedef struct edgeclip_hit {
  size_t item; /* of the gallery */
  float score; /* cosine, -1 to 1 */
} edgeclip_hit;

/* The `top` best items by exact cosine, the best first; equal scores keep the gallery's order.  hits: room
 * for `top`; *found: how many there are, at most `top` and N.  top is at least 1.  The model must be that which
 * made the gallery, in whatever precision. */
EDGECLIP_API edgeclip_status edgeclip_search_text(edgeclip_model* model, const edgeclip_gallery* gallery,
                                                  const char* text, size_t top, edgeclip_hit* hits,
                                                  size_t* found);
EDGECLIP_API edgeclip_status edgeclip_search_image_file(edgeclip_model* model,
                                                        const edgeclip_gallery* gallery, const char* path,
                                                        size_t top, edgeclip_hit* hits, size_t* found);
EDGECLIP_API edgeclip_status edgeclip_search_image(edgeclip_model* model, const edgeclip_gallery* gallery,
                                                   const edgeclip_image* image, size_t top,
                                                   edgeclip_hit* hits, size_t* found);
/* The same for an embedding of dim float32, of length 1, which the caller has kept. */
EDGECLIP_API edgeclip_status edgeclip_search_embedding(const edgeclip_gallery* gallery,
                                                       const float* embedding, size_t dim, size_t top,
                                                       edgeclip_hit* hits, size_t* found);

#ifdef __cplusplus
}
#endif

#endif
