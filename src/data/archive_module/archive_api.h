#pragma once

#include <stddef.h>
#include <stdint.h>

/// What libedgeclip_archive.so offers: plain C, so that the two sides share no C++ types.  A change of this table renames the symbol.
extern "C" {

struct EdgeclipArchiveError {
  char text[256];  ///< one line, terminated; empty: no error
};

struct EdgeclipArchiveMember {
  const char* name;  ///< valid until the next call
  int64_t bytes;     ///< -1: the archive does not say before it is read
  int64_t time_ns;   ///< when it was changed, since 1970; -1: not known
};

struct EdgeclipArchiveApi {
  /// NULL and error if it is no archive that is known.
  void* (*open)(const char* path, EdgeclipArchiveError* error);
  /// 1: the next regular file; 0: the end (error empty) or a failure (error filled).
  int (*next)(void* archive, EdgeclipArchiveMember* member, EdgeclipArchiveError* error);
  /// Up to `most` bytes of the member that was given last, from where the call before ended; 0 at its end, -1 and error at a failure.
  int64_t (*read)(void* archive, uint8_t* to, int64_t most, EdgeclipArchiveError* error);
  void (*close)(void* archive);
};

const EdgeclipArchiveApi* edgeclip_archive_v1();

}  // extern "C"
