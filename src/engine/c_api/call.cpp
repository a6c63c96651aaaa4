#include "engine/c_api/call.h"

#include <filesystem>
#include <new>
#include <system_error>

#include "base/build_info.h"
#include "base/io_error.h"
#include "base/tensor.h"

namespace edgeclip::c_api {

namespace {

/// Of this thread; a plain array, so that a text can be kept where there is no memory.
constexpr std::size_t kLongest = 4096;
thread_local char t_error[kLongest] = {};

/// One line, cut off before the end of a character if it is too long.
void keep_text(const char* prefix, const char* text) noexcept {
  std::size_t n = 0;
  for (const char* part : {prefix, text})
    for (; *part != '\0' && n < kLongest - 1; ++part)
      t_error[n++] = *part == '\n' || *part == '\r' ? ' ' : *part;
  if (n == kLongest - 1)
    while (n > 0 && (static_cast<unsigned char>(t_error[n - 1]) & 0x80) != 0) --n;
  t_error[n] = '\0';
}

edgeclip_status keep(edgeclip_status status, const char* text) noexcept {
  keep_text(status == EDGECLIP_INTERNAL_ERROR ? "internal error (please report it): " : "", text);
  return status;
}

constexpr const char* kOutOfMemory =
    "out of memory; use a smaller batch or fewer contexts, or a machine with more memory";

}  // namespace

edgeclip_status keep_error(const std::exception_ptr& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const InvalidInput& e) {
    return keep(EDGECLIP_INVALID_INPUT, e.what());
  } catch (const MachineFault& e) {
    return keep(EDGECLIP_MACHINE_FAULT, e.what());
  } catch (const std::bad_alloc&) {
    return keep(EDGECLIP_MACHINE_FAULT, kOutOfMemory);
  } catch (const std::filesystem::filesystem_error& e) {
    return keep(is_machine_error(e.code().value()) ? EDGECLIP_MACHINE_FAULT : EDGECLIP_INVALID_INPUT,
                e.what());
  } catch (const std::system_error& e) {
    return keep(is_machine_error(e.code().value()) ? EDGECLIP_MACHINE_FAULT : EDGECLIP_INTERNAL_ERROR,
                e.what());
  } catch (const std::exception& e) {
    if (says_out_of_memory(e.what())) return keep(EDGECLIP_MACHINE_FAULT, kOutOfMemory);
    return keep(EDGECLIP_INTERNAL_ERROR, e.what());
  } catch (...) {
    return keep(EDGECLIP_INTERNAL_ERROR, "unknown exception");
  }
}

void require_index(std::size_t index, std::size_t count, const char* what) {
  if (index >= count) invalid_input("{} {}: there are {}, counted from 0", what, index, count);
}

engine::LogCallback log_to(edgeclip_log_callback callback, void* user) {
  if (callback == nullptr) return engine::silent_log();
  return [callback, user](engine::LogLevel level, const std::string& message) {
    callback(user, static_cast<std::int32_t>(level), message.c_str());
  };
}

static_assert(static_cast<int>(engine::LogLevel::kDebug) == EDGECLIP_LOG_DEBUG &&
              static_cast<int>(engine::LogLevel::kInfo) == EDGECLIP_LOG_INFO &&
              static_cast<int>(engine::LogLevel::kWarning) == EDGECLIP_LOG_WARNING);
static_assert(int{EDGECLIP_OK} == kDone && int{EDGECLIP_INTERNAL_ERROR} == kInternalError &&
              int{EDGECLIP_INVALID_INPUT} == kInvalidInput && int{EDGECLIP_MACHINE_FAULT} == kMachineFault);
static_assert(
    static_cast<int>(DType::f32) == EDGECLIP_FLOAT32 && static_cast<int>(DType::f64) == EDGECLIP_FLOAT64 &&
    static_cast<int>(DType::f16) == EDGECLIP_FLOAT16 && static_cast<int>(DType::bf16) == EDGECLIP_BFLOAT16 &&
    static_cast<int>(DType::i8) == EDGECLIP_INT8 && static_cast<int>(DType::u8) == EDGECLIP_UINT8 &&
    static_cast<int>(DType::i16) == EDGECLIP_INT16 && static_cast<int>(DType::u16) == EDGECLIP_UINT16 &&
    static_cast<int>(DType::i32) == EDGECLIP_INT32 && static_cast<int>(DType::u32) == EDGECLIP_UINT32 &&
    static_cast<int>(DType::i64) == EDGECLIP_INT64 && static_cast<int>(DType::u64) == EDGECLIP_UINT64 &&
    static_cast<int>(DType::boolean) == EDGECLIP_BOOL);

}  // namespace edgeclip::c_api

extern "C" {

uint32_t edgeclip_abi_version(void) { return EDGECLIP_ABI_VERSION; }

const char* edgeclip_version(void) { return edgeclip::version(); }

const char* edgeclip_last_error(void) { return edgeclip::c_api::t_error; }

const char* edgeclip_status_name(edgeclip_status status) {
  switch (status) {
    case EDGECLIP_OK:
      return "ok";
    case EDGECLIP_INTERNAL_ERROR:
      return "internal error";
    case EDGECLIP_INVALID_INPUT:
      return "invalid input";
    case EDGECLIP_MACHINE_FAULT:
      return "machine fault";
    default:
      return "unknown status";
  }
}

size_t edgeclip_dtype_size(edgeclip_dtype dtype) {
  if (dtype < EDGECLIP_FLOAT32 || dtype > EDGECLIP_BOOL) return 0;
  return edgeclip::dtype_size(static_cast<edgeclip::DType>(dtype));
}

}  // extern "C"
