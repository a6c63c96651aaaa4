// What indexing is made of, each alone on all CPUs, for compare.py:
//   bench_indexing decode PLAN LIST THREADS        images/s read, decoded and resized
//   bench_indexing encode PLAN LIST THREADS BATCH  images/s encoded, of batches that lie ready: the better of one at a time with all threads and
//                                                  as many at once as threads
// LIST: a path a line.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "base/measure.h"
#include "base/threads.h"
#include "data/dataset/loader.h"
#include "data/image/transform.h"
#include "dual_encoder/plan_encoder.h"

namespace {

using namespace edgeclip;

double decode_rate(const ImageTransform& transform, const std::vector<std::string>& paths, int threads) {
  const Stopwatch clock;
  parallel_for(static_cast<std::int64_t>(paths.size()), [&](std::int64_t i) { load_image(paths[static_cast<std::size_t>(i)], transform); }, threads);
  return static_cast<double>(paths.size()) / clock.seconds();
}

/// At least two seconds of batches by `callers` at once.
double encode_rate(PlanEncoder& encoder, const Tensor& pixels, int callers) {
  encoder.encode_images(pixels.view());
  std::atomic<std::int64_t> images{0};
  const Stopwatch clock;
  {
    std::vector<std::jthread> threads;
    for (int c = 0; c < callers; ++c)
      threads.emplace_back([&] {
        while (clock.seconds() < 2) {
          encoder.encode_images(pixels.view());
          images += pixels.dim(0);
        }
      });
  }
  return static_cast<double>(images) / clock.seconds();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  const std::string what = argv[1];
  const int threads = std::atoi(argv[4]);
  set_thread_count(threads);
  std::vector<std::string> paths;
  std::ifstream list(argv[3]);
  for (std::string line; std::getline(list, line);) paths.push_back(line);
  PlanEncoderOptions options;
  options.threads = threads;
  PlanEncoder encoder(argv[2], options);
  const ImageTransform& transform = encoder.card().image;
  double rate = 0;
  if (what == "decode") {
    for (int round = 0; round < 3; ++round) rate = std::max(rate, decode_rate(transform, paths, threads));
  } else {
    const std::size_t batch = std::min(paths.size(), static_cast<std::size_t>(argc > 5 ? std::atoi(argv[5]) : 8));
    const Tensor pixels = load_pixels({paths.begin(), paths.begin() + static_cast<std::ptrdiff_t>(batch)}, transform);
    for (const int callers : {1, threads}) rate = std::max(rate, encode_rate(encoder, pixels, callers));
  }
  std::cout << rate << '\n';
}
