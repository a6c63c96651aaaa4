#include "data/dataset/annotations.h"

#include "data/dataset/dataset_format.h"
#include "fuzz_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const edgeclip::fuzz::MemoryFile file(data, size);
  for (const char* format : {"auto", "coco", "flickr", "csv", "tree", "reid", "video"})
    edgeclip::fuzz::reads([&] {
      const auto annotations = edgeclip::read_annotations(file.path(), format, "images/", false);
      for (const auto& record : annotations.records)
        if (record.captions.empty() || record.path == ".." || record.path.rfind("../", 0) == 0 ||
            record.path.rfind('/', 0) == 0)
          ::abort();
    });
  edgeclip::fuzz::reads([&] {
    for (const auto& record : edgeclip::read_annotations(file.path(), "auto", "", true).records)
      if (!edgeclip::is_split_name(record.split)) ::abort();
  });
  return 0;
}
