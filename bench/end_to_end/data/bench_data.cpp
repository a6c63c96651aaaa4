// One timed pass over real data; compare.py calls it between the peers' passes.
//   bench_data tokenize SPEC TEXTS THREADS          captions per second
//   bench_data images DIR CLIP|FAST|DECODE THREADS  images per second: decode, resize to 224, crop, normalize
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "data/image/transform.h"
#include "data/text/tokenizer.h"

namespace {

namespace fs = std::filesystem;
using namespace edgeclip;

double seconds_of(const std::function<void()>& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double tokenize(const std::string& spec, const std::string& file) {
  const auto tokenizer = load_tokenizer(spec);
  std::vector<std::string> texts;
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) texts.push_back(line);
  const double seconds = seconds_of([&] { tokenizer->encode_batch(texts, 77, true); });
  return static_cast<double>(texts.size()) / seconds;
}

double images(const std::string& directory, const std::string& mode) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  ImageTransform transform;
  transform.width = transform.height = 224;
  transform.resize = "shortest_crop";
  transform.filter = "bicubic";
  transform.fast_decode = mode == "FAST";
  const double seconds = seconds_of([&] {
    parallel_for(static_cast<std::int64_t>(files.size()), [&](std::int64_t i) {
      thread_local std::vector<float> pixels(3 * 224 * 224);
      const fs::path& file = files[static_cast<std::size_t>(i)];
      if (mode == "DECODE")
        read_image(file);
      else
        normalize_pixels(load_image(file, transform), transform, false, pixels.data());
    });
  });
  return static_cast<double>(files.size()) / seconds;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr,
                 "usage: bench_data tokenize SPEC TEXTS THREADS | images DIR CLIP|FAST|DECODE THREADS\n");
    return 2;
  }
  try {
    set_thread_count(std::stoi(argv[4]));
    const std::string what = argv[1];
    std::printf("%.2f\n", what == "tokenize" ? tokenize(argv[2], argv[3]) : images(argv[2], argv[3]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_data: %s\n", error.what());
    return 2;
  }
  return 0;
}
