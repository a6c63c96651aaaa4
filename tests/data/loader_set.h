#pragma once

#include "data/dataset/loader.h"
#include "data/dataset/write_dataset.h"
#include "encode.h"
#include "support/support.h"

namespace edgeclip::test {

/// `people` persons with `each` images of two captions.
struct Set {
  TempDir dir;
  Dataset dataset;
  ImageTransform transform;
  LoaderOptions options;

  Set(int people, int each) {
    std::vector<Pair> pairs;
    for (int p = 0; p < people; ++p)
      for (int i = 0; i < each; ++i) {
        const std::string path = std::to_string(p) + "_" + std::to_string(i) + ".png";
        write_png(dir / path, picture(12, 20, p * each + i));
        pairs.push_back({"train", p, path, "person " + std::to_string(p), -1});
        pairs.push_back({"train", p, path, "another longer caption of person " + std::to_string(p), -1});
      }
    write_dataset(dir.path(), {.pairs = pairs, .tokenizer = "train:200", .context_length = 32});
    dataset = open_dataset(dir.path());
    transform.height = 16;
    transform.width = 8;
    options.batch = 4;
    options.loading.threads = 3;
  }
  std::vector<Batch> epoch(std::int64_t e, std::int64_t skip = 0) {
    Loader loader(dataset, transform, options);
    return epoch(loader, e, skip);
  }
  static std::vector<Batch> epoch(Loader& loader, std::int64_t e, std::int64_t skip = 0) {
    std::vector<Batch> batches;
    loader.start_epoch(e, skip);
    while (auto batch = loader.next()) batches.push_back(std::move(*batch));
    EXPECT_FALSE(loader.next());
    return batches;
  }
};

}  // namespace edgeclip::test
