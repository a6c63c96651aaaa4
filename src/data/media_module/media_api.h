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

struct EdgeclipMediaError {
  char text[256];     ///< one line, terminated; empty: no error
  int out_of_memory;  ///< 1: the machine's fault, not the file's
};

/// Functions that can fail return 0 or NULL and fill error, which must be zero before.
struct EdgeclipMediaApi {
  void* (*open_video)(const char* path, EdgeclipMediaError* error);
  /// 1: a frame; 0: the end (error empty) or a failure (error filled).
  int (*next_frame)(void* video, EdgeclipPixels* frame, EdgeclipMediaError* error);
  /// Passes over up to so many frames, which are decoded but not copied: how many there were.
  int64_t (*skip_frames)(void* video, int64_t count);
  /// 1: the next frame is the one of this number, as the decoder reckons from its time and the rate; 0: it cannot tell.
  int (*seek)(void* video, int64_t frame);
  /// Of the last frame that was read or passed over, milliseconds since the container's beginning.
  double (*time_ms)(void* video);
  double (*fps)(void* video);
  int64_t (*frame_count)(void* video);
  void (*close_video)(void* video);

  /// bytes: a whole coded file.  EXIF orientation is ignored.  The handle is closed by close_image.
  void* (*decode_image)(const uint8_t* bytes, size_t count, EdgeclipPixels* image, EdgeclipMediaError* error);
  void (*close_image)(void* image);
};

const EdgeclipMediaApi* edgeclip_media_v3();

}  // extern "C"
