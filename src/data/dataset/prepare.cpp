#include "data/dataset/prepare.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "base/atomic_output.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/threads.h"
#include "data/dataset/annotations.h"
#include "data/dataset/dataset.h"
#include "data/dataset/dataset_format.h"
#include "data/dataset/video_crops.h"
#include "data/image/image.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

/// 0 for "annotated", else the fraction.
double test_fraction(const std::string& split) {
  if (split == "annotated") return 0;
  double fraction = 0;
  const auto [end, error] = std::from_chars(split.data(), split.data() + split.size(), fraction);
  if (error != std::errc() || end != split.data() + split.size() || !(fraction > 0 && fraction < 1))
    invalid_input("--split \"{}\": is neither annotated nor a fraction between 0 and 1", split);
  return fraction;
}

/// Rejects records whose image is missing or cannot be decoded.
void check_images(Annotations& annotations, const fs::path& root) {
  auto& records = annotations.records;
  std::vector<std::string> reasons(records.size());
  Progress progress("checking images", static_cast<std::int64_t>(records.size()), "images");
  parallel_for(static_cast<std::int64_t>(records.size()), [&](std::int64_t i) {
    const auto at = static_cast<std::size_t>(i);
    const fs::path file = root / records[at].path;
    std::error_code error;
    try {
      if (!fs::exists(fs::status(file, error)))
        reasons[at] = fmt::format("{} not found below {}", records[at].path, root.string());
      else
        read_image(file);
    } catch (const InvalidInput& unusable) {
      reasons[at] = unusable.what();
    }
    progress.advance();
  });
  std::vector<Record> kept;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (reasons[i].empty())
      kept.push_back(std::move(records[i]));
    else
      annotations.rejections.push_back({records[i].index, std::move(reasons[i])});
  }
  records = std::move(kept);
}

/// A fraction of the identities, at least one and not all, becomes "test".
void split_by_identity(std::vector<Record>& records, double fraction, std::uint64_t seed) {
  std::set<std::int64_t> unique;
  for (const auto& record : records) unique.insert(record.id);
  std::vector<std::int64_t> ids(unique.begin(), unique.end());
  if (ids.size() < 2)
    invalid_input("--split {}: needs at least two identities, found {}", fraction, ids.size());
  Rng(seed).shuffle(ids);
  const auto wanted = static_cast<std::size_t>(std::lround(fraction * static_cast<double>(ids.size())));
  ids.resize(std::clamp<std::size_t>(wanted, 1, ids.size() - 1));
  const std::set<std::int64_t> test(ids.begin(), ids.end());
  for (auto& record : records) record.split = test.count(record.id) ? "test" : "train";
}

}  // namespace

Json prepare_dataset(const PrepareOptions& options) {
  const double fraction = test_fraction(options.split);
  require_file(options.annotations, "annotations");
  Annotations annotations =
      read_annotations(options.annotations, options.format, options.strip_prefix, fraction == 0);
  if (options.val_from_frame >= 0 && !annotations.video)
    invalid_input("--val-from-frame: {} is no video annotation", options.annotations);
  if (options.no_images && annotations.video)
    invalid_input("--no-images: {} is a video annotation, whose crops are the images", options.annotations);
  std::error_code error;
  if (options.no_images)
    ;  // captions alone: paths stay as written
  else if (!annotations.video)
    require_directory(options.images, "image folder");
  else if (!fs::is_directory(options.images, error))
    require_file(options.images, "video");

  AtomicDirectory out(options.out, kDatasetFile, {options.images, options.annotations});
  fs::path root;  // of a video: the dataset itself
  if (annotations.video) {
    cut_video_crops(annotations, options.images, out.work());
  } else if (!options.no_images) {
    root = fs::canonical(options.images);
    check_images(annotations, root);
  }
  auto& rejections = annotations.rejections;
  std::stable_sort(rejections.begin(), rejections.end(),
                   [](const Rejection& a, const Rejection& b) { return a.index < b.index; });
  if (annotations.records.empty())
    invalid_input("{}: none of its {} records can be used; the first: record {}: {}", options.annotations,
                  annotations.total, rejections.front().index, rejections.front().reason);
  if (fraction > 0) split_by_identity(annotations.records, fraction, options.seed);

  std::vector<Pair> pairs;
  std::set<std::int64_t> unusable;
  std::vector<std::pair<std::string, std::string>> invalid;
  std::set<std::int64_t> used;
  for (const auto& record : annotations.records) {
    used.insert(record.index);
    const bool late =
        record.split == "train" && options.val_from_frame >= 0 && record.frame >= options.val_from_frame;
    for (const auto& caption : record.captions)
      pairs.push_back({late ? "val" : record.split, record.id, record.path,
                       options.prompt.empty() ? caption : options.prompt + " " + caption, record.frame});
  }
  for (const auto& [index, reason] : rejections) {
    invalid.emplace_back(std::to_string(index), reason);
    if (!used.count(index)) unusable.insert(index);
  }
  const Json source = {
      {"annotations", fs::absolute(options.annotations).lexically_normal().string()},
      {"hash", hash_file(options.annotations)},
      {"format", annotations.format},
      {"images",
       options.no_images ? Json(nullptr) : Json(fs::absolute(options.images).lexically_normal().string())},
      {"strip_prefix", options.strip_prefix},
      {"prompt", options.prompt},
      {"split", options.split},
      {"seed", options.seed},
      {"val_from_frame", options.val_from_frame}};
  write_dataset(out.work(), pairs, invalid, root, options.tokenizer, options.context_length, source);
  Json report = read_json(out.work() / kDatasetFile);
  out.commit(Flush::kWithFolder);

  report.erase("files");
  Json head = {{"out", options.out}, {"records", annotations.total}, {"unusable_records", unusable.size()}};
  head.update(report);
  if (!invalid.empty())
    spdlog::warn("{} of {} records cannot be used, see {}; the first: record {}: {}", unusable.size(),
                 annotations.total, (fs::path(options.out) / kInvalidFile).string(), invalid.front().first,
                 invalid.front().second);
  return head;
}

}  // namespace edgeclip
