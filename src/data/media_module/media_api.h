#pragma once

#include <stddef.h>
#include <stdint.h>

/// What libedgeclip_media.so offers: plain C, so that the two sides share no C++ types.  A change of this
/// table renames the symbol: a program never calls a module of another version.
extern "C" {

struct EdgeclipPixels {
  int width, height;
  const uint8_t* rgb;  ///< (height, width, 3); belongs to the handle, valid until its next call
};

/// Functions that can fail return 0 or NULL and leave one line in error (size bytes, terminated).
struct EdgeclipMediaApi {
  void* (*open_video)(const char* path, char* error, size_t size);
  /// 1: a frame; 0: the end (error empty) or a failure (error filled).
  int (*next_frame)(void* video, EdgeclipPixels* frame, char* error, size_t size);
  double (*fps)(void* video);
  int64_t (*frame_count)(void* video);
  void (*close_video)(void* video);

  /// EXIF orientation is ignored.  The handle is closed by close_image.
  void* (*read_image)(const char* path, EdgeclipPixels* image, char* error, size_t size);
  void (*close_image)(void* image);
};

const EdgeclipMediaApi* edgeclip_media_v1();

}  // extern "C"
