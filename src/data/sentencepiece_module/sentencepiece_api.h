#pragma once

#include <stddef.h>
#include <stdint.h>

/// What libedgeclip_sentencepiece.so offers: plain C, so that the two sides share no C++ types.  A change of
/// this table renames the symbol: a program never calls a module of another version.
extern "C" {

/// Where results go: called once with `count` items.
typedef void (*EdgeclipIdSink)(void* context, const int* ids, size_t count);
typedef void (*EdgeclipTextSink)(void* context, const char* text, size_t bytes);

/// Functions that can fail return 0 or NULL and leave one line in error (size bytes, terminated).
struct EdgeclipSentencePieceApi {
  /// A handle for the bytes of a .model file; thread-safe to use.
  void* (*load)(const char* model, size_t bytes, char* error, size_t size);
  void (*close)(void* handle);

  int (*vocab_size)(void* handle);
  int (*unk_id)(void* handle);
  int (*bos_id)(void* handle);  ///< -1: the model has none; so too the next two
  int (*eos_id)(void* handle);
  int (*pad_id)(void* handle);

  int (*encode)(void* handle, const char* text, size_t bytes, EdgeclipIdSink sink, void* context, char* error,
                size_t size);
  /// Ids must lie in the vocabulary: sentencepiece ends the process at any other.
  int (*decode)(void* handle, const int* ids, size_t count, EdgeclipTextSink sink, void* context, char* error,
                size_t size);
  int (*piece)(void* handle, int id, EdgeclipTextSink sink, void* context, char* error, size_t size);

  /// options: names and values in turn, option_count of each; texts with their byte counts.  sink takes the
  /// .model file.
  int (*train)(const char* const* options, size_t option_count, const char* const* texts, const size_t* bytes,
               size_t text_count, EdgeclipTextSink sink, void* context, char* error, size_t size);
};

const EdgeclipSentencePieceApi* edgeclip_sentencepiece_v1();

}  // extern "C"
