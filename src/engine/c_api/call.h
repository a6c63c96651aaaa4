#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <string>

#include "base/error.h"
#include "engine/c_api/edgeclip_engine.h"
#include "engine/runtime/log.h"

/// What every function of the C headers does: exceptions become a status and a text, nothing passes.
namespace edgeclip::c_api {

/// Keeps the text of an exception for edgeclip_last_error() and gives its status.  Allocates nothing that it
/// depends on.
edgeclip_status keep_error(const std::exception_ptr& error) noexcept;

/// Runs body().  Whatever it throws becomes a status and this thread's last error.
template <class Body>
edgeclip_status guarded(Body&& body) noexcept {
  try {
    body();
    return EDGECLIP_OK;
  } catch (...) {
    return keep_error(std::current_exception());
  }
}

/// Throws InvalidInput if a pointer that may not be null is.
template <class T>
T& required(T* pointer, const char* name) {
  if (pointer == nullptr) invalid_input("{}: is NULL", name);
  return *pointer;
}

/// Throws InvalidInput naming what there is unless index < count.
void require_index(std::size_t index, std::size_t count, const char* what);

/// A structure that the caller gives, as this library knows it: what an older program's lacks is 0.  Throws
/// InvalidInput if a newer program's holds something that this library does not know, or is smaller than
/// `least`, the size in the first version.
template <class T>
T read_struct(const T* given, std::size_t least, const char* name) {
  T known{};
  known.struct_size = sizeof(T);
  if (given == nullptr) return known;
  const std::size_t size = given->struct_size;
  if (size < least || size > (std::size_t{1} << 16))
    invalid_input("{}: struct_size is {}; set it by EDGECLIP_INIT", name, size);
  const char* bytes = reinterpret_cast<const char*>(given);
  if (size > sizeof(T) && std::any_of(bytes + sizeof(T), bytes + size, [](char c) { return c != 0; }))
    invalid_input("{}: has a field that this library ({}) does not know; update it", name,
                  edgeclip_version());
  std::memcpy(&known, bytes, std::min(size, sizeof(T)));
  known.struct_size = sizeof(T);
  return known;
}

/// Fills in a structure of the caller's, as far as the program that was compiled with it knows the fields.
template <class T>
void write_struct(T* wanted, std::size_t least, const char* name, T value) {
  const std::size_t size = required(wanted, name).struct_size;
  if (size < least || size > (std::size_t{1} << 16))
    invalid_input("{}: struct_size is {}; set it by EDGECLIP_INIT", name, size);
  char* bytes = reinterpret_cast<char*>(wanted);
  value.struct_size = size;
  std::memcpy(bytes, &value, std::min(size, sizeof(T)));
  if (size > sizeof(T)) std::memset(bytes + sizeof(T), 0, size - sizeof(T));
}

/// To the program's callback, which may be NULL.
engine::LogCallback log_to(edgeclip_log_callback callback, void* user);

/// One call at a time on a handle.
class OneAtATime {
 public:
  /// Throws InvalidInput if another call is in it.
  explicit OneAtATime(std::atomic<bool>& busy, const char* what) : busy_(busy) {
    if (busy.exchange(true, std::memory_order_acquire))
      invalid_input("{}: is in another call; use one per thread", what);
  }
  ~OneAtATime() { busy_.store(false, std::memory_order_release); }
  OneAtATime(const OneAtATime&) = delete;
  OneAtATime& operator=(const OneAtATime&) = delete;

 private:
  std::atomic<bool>& busy_;
};

}  // namespace edgeclip::c_api
