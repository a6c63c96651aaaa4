#include <stdlib.h>

#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <mutex>
#include <new>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/videoio.hpp>
#include <streambuf>
#include <vector>

#include "data/media_module/media_api.h"

namespace {

struct Video {
  cv::VideoCapture capture;
  cv::Mat frame;
  std::vector<uint8_t> rgb;
};

struct Picture {
  std::vector<uint8_t> rgb;
};

void set_error(EdgeclipMediaError* error, const char* text) {
  std::snprintf(error->text, sizeof error->text, "%s", text);
}

/// bgr: 8-bit, three channels, as OpenCV gives it.
void to_rgb(const cv::Mat& bgr, std::vector<uint8_t>& rgb, EdgeclipPixels* pixels) {
  const auto width = static_cast<size_t>(bgr.cols), height = static_cast<size_t>(bgr.rows);
  rgb.resize(width * height * 3);
  for (size_t y = 0; y < height; ++y) {
    const uint8_t* from = bgr.ptr<uint8_t>(static_cast<int>(y));
    uint8_t* to = rgb.data() + y * width * 3;
    for (size_t x = 0; x < width * 3; x += 3) {
      to[x] = from[x + 2];
      to[x + 1] = from[x + 1];
      to[x + 2] = from[x];
    }
  }
  *pixels = {bgr.cols, bgr.rows, rgb.data()};
}

/// body() must not let a C++ exception cross the C interface.
template <class Result, class Body>
Result guarded(EdgeclipMediaError* error, Body body) {
  try {
    return body();
  } catch (const cv::Exception& e) {
    set_error(error, e.err.c_str());
    error->out_of_memory = e.code == cv::Error::StsNoMem;
  } catch (const std::bad_alloc& e) {
    error->out_of_memory = 1;
  } catch (const std::exception& e) {
    set_error(error, e.what());
  }
  return Result{};
}

void* open_video(const char* path, EdgeclipMediaError* error) {
  return guarded<void*>(error, [&]() -> void* {
    auto video = std::make_unique<Video>();
    // These two only: the other backends take names for patterns or pipelines and print on stderr.
    for (const int backend : {cv::CAP_FFMPEG, cv::CAP_OPENCV_MJPEG})
      if (video->capture.open(path, backend)) return video.release();
    set_error(error, "no decoder knows it");
    return nullptr;
  });
}

int next_frame(void* handle, EdgeclipPixels* frame, EdgeclipMediaError* error) {
  return guarded<int>(error, [&] {
    auto& video = *static_cast<Video*>(handle);
    if (!video.capture.read(video.frame) || video.frame.empty()) return 0;
    if (video.frame.type() != CV_8UC3) {
      set_error(error, "its frames are not 8-bit colour");
      return 0;
    }
    to_rgb(video.frame, video.rgb, frame);
    return 1;
  });
}

double number(void* handle, int property) {
  try {
    return static_cast<Video*>(handle)->capture.get(property);
  } catch (const std::exception&) {
    return 0;
  }
}

int64_t skip_frames(void* handle, int64_t count) {
  try {
    int64_t skipped = 0;
    while (skipped < count && static_cast<Video*>(handle)->capture.grab()) ++skipped;
    return skipped;
  } catch (const std::exception&) {
    return 0;
  }
}

int seek(void* handle, int64_t frame) {
  try {
    auto& capture = static_cast<Video*>(handle)->capture;
    return capture.set(cv::CAP_PROP_POS_FRAMES, static_cast<double>(frame)) &&
           static_cast<int64_t>(capture.get(cv::CAP_PROP_POS_FRAMES)) == frame;
  } catch (const std::exception&) {
    return 0;
  }
}

double time_ms(void* handle) { return number(handle, cv::CAP_PROP_POS_MSEC); }
double fps(void* handle) { return number(handle, cv::CAP_PROP_FPS); }

int64_t frame_count(void* handle) {
  const double count = number(handle, cv::CAP_PROP_FRAME_COUNT);
  return count >= 1 && count < 1e15 ? static_cast<int64_t>(count) : 0;
}

void close_video(void* handle) { delete static_cast<Video*>(handle); }

/// imdecode writes to std::cerr what it could not read, past OpenCV's own logging.  While any thread is
/// inside, std::cerr goes nowhere; the program's log does not use it.
class SilentCerr {
 public:
  SilentCerr() {
    const std::lock_guard lock(mutex());
    if (inside()++ == 0) kept() = std::cerr.rdbuf(&nowhere());
  }
  ~SilentCerr() {
    const std::lock_guard lock(mutex());
    if (--inside() == 0) std::cerr.rdbuf(kept());
  }

 private:
  struct Nowhere : std::streambuf {
    int_type overflow(int_type c) override { return traits_type::not_eof(c); }
  };
  static std::mutex& mutex() {
    static std::mutex m;
    return m;
  }
  static int& inside() {
    static int n = 0;
    return n;
  }
  static std::streambuf*& kept() {
    static std::streambuf* b = nullptr;
    return b;
  }
  static Nowhere& nowhere() {
    static Nowhere n;
    return n;
  }
};

void* decode_image(const uint8_t* bytes, size_t count, EdgeclipPixels* image, EdgeclipMediaError* error) {
  return guarded<void*>(error, [&]() -> void* {
    const SilentCerr silent;
    const cv::Mat coded(1, static_cast<int>(count), CV_8UC1, const_cast<uint8_t*>(bytes));
    const cv::Mat bgr = cv::imdecode(coded, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
    if (bgr.empty() || bgr.type() != CV_8UC3) {
      set_error(error, "damaged, or a variant that OpenCV does not read");
      return nullptr;
    }
    auto picture = std::make_unique<Picture>();
    to_rgb(bgr, picture->rgb, image);
    return picture.release();
  });
}

void close_image(void* handle) { delete static_cast<Picture*>(handle); }

constexpr EdgeclipMediaApi kApi = {open_video, next_frame,  skip_frames, seek,         time_ms,
                                   fps,        frame_count, close_video, decode_image, close_image};

}  // namespace

extern "C" const EdgeclipMediaApi* edgeclip_media_v3() {
  // What went wrong is said once, by the program; OpenCV and FFmpeg would add lines of their own.
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  ::setenv("OPENCV_FFMPEG_LOGLEVEL", "-8", 0);
  return &kApi;
}
