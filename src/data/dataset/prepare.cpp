#include "data/dataset/prepare.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/artifact.h"
#include "base/atomic_output.h"
#include "base/build_info.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/io_error.h"
#include "base/log.h"
#include "base/parse_number.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/threads.h"
#include "data/dataset/annotations.h"
#include "data/dataset/dataset.h"
#include "data/dataset/dataset_format.h"
#include "data/dataset/source_hash.h"
#include "data/dataset/video_crops.h"
#include "data/dataset/write_dataset.h"
#include "data/image/image.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

/// 0 for "annotated", else the fraction.
double test_fraction(const std::string& split) {
  if (split == "annotated") return 0;
  const double fraction = parse_number<double>(split).value_or(0);
  if (!(fraction > 0 && fraction < 1)) invalid_input("--split \"{}\": is neither annotated nor a fraction between 0 and 1", split);
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
    try {
      if (file_type_at(file) == fs::file_type::not_found)
        reasons[at] = fmt::format("{} not found below {}", records[at].path, root.string());
      else {
        const Image image = read_image(file);
        records[at].width = image.width;
        records[at].height = image.height;
      }
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

/// What the dataset is made from: equal sources make equal datasets.
Json source_of(const PrepareOptions& options, const Annotations& annotations) {
  const auto absolute = [](const std::string& path) {
    return fs::absolute(path).lexically_normal().string();
  };
  return {{"annotations", absolute(options.annotations)},
          {"hash", hash_file(options.annotations)},
          {"format", annotations.format},
          {"images", options.no_images ? Json(nullptr) : Json(absolute(options.images))},
          {"images_hash", options.no_images ? Json(nullptr) : Json(hash_images(annotations, options.images))},
          {"strip_prefix", options.strip_prefix},
          {"prompt", options.prompt},
          {"tokenizer", options.tokenizer},
          {"tokenizer_hash", hash_tokenizer(options.tokenizer)},
          {"convention", options.convention},
          {"context_length", options.context_length},
          {"split", options.split},
          {"seed", options.seed},
          {"val_from_frame", options.val_from_frame}};
}

/// Why the dataset that lies in `out` is not the one that source makes: the keys that differ, or what is
/// damaged.  Empty: it is that one.
std::vector<std::string> differences(const fs::path& out, const Json& source) {
  std::vector<std::string> found;
  std::error_code error;
  try {
    const Dataset dataset = open_dataset(out);
    if (dataset.info.value("edgeclip", "") != version()) found.push_back("edgeclip");
    const Json& old = dataset.info.at("source");
    for (const auto& [key, value] : source.items())
      if (!old.contains(key) || old.at(key) != value) found.push_back(key);
    if (old.value("crops_hash", "") != hash_folder(out / "crops")) found.push_back("crops");
    if (!source.at("images").is_null())
      for (const auto& image : dataset.images)
        if (!fs::exists(dataset.image_path(image.path), error)) return {image.path + " is gone"};
  } catch (const InvalidInput& damaged) {
    return {damaged.what()};
  }
  return found;
}

/// dataset.json without what is of no use to a reader of the report.
Json report_of(const PrepareOptions& options, const fs::path& dataset) {
  Json info = read_json(dataset / kDatasetFile);
  info.erase("files");
  Json report = {{"out", options.out},
                 {"records", info.at("source").at("records")},
                 {"unusable_records", info.at("source").at("unusable_records")}};
  const auto records = report.at("records").get<double>();
  report["unusable_percent"] =
      records > 0 ? 100 * report.at("unusable_records").get<double>() / records : 0.0;
  report.update(info);
  return report;
}

/// Moves the usable records into pairs, and the reasons of the others, in order.  Returns how many records
/// are of no use at all.
std::size_t fill(NewDataset& dataset, Annotations& annotations, const PrepareOptions& options) {
  std::set<std::int64_t> used, unusable;
  std::set<std::string> images;
  for (const auto& record : annotations.records) {
    used.insert(record.index);
    if (record.width > 0 && images.insert(record.path).second)
      dataset.image_sizes.emplace_back(record.width, record.height);
    const bool late =
        record.split == "train" && options.val_from_frame >= 0 && record.frame >= options.val_from_frame;
    for (const auto& caption : record.captions)
      dataset.pairs.push_back({late ? "val" : record.split, record.id, record.path,
                               options.prompt.empty() ? caption : options.prompt + " " + caption,
                               record.frame});
  }
  for (const auto& [index, reason] : annotations.rejections) {
    dataset.invalid.emplace_back(std::to_string(index), reason);
    if (!used.count(index)) unusable.insert(index);
  }
  return unusable.size();
}

}  // namespace

Json prepare_dataset(const PrepareOptions& options) {
  if (!(options.max_unreadable >= 0 && options.max_unreadable <= 100))
    invalid_input("--max-unreadable {}: is no percentage (0 to 100)", options.max_unreadable);
  const double fraction = test_fraction(options.split);
  require_file(options.annotations, "annotations");
  // From here on no other process makes this dataset; whether the one that is there may go is judged below.
  AtomicDirectory out(options.out, kDatasetFile,
                      {/*overwrite=*/true,
                       {options.images, options.annotations},
                       /*keep_others=*/!options.overwrite});
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

  require_tokenizer(options.tokenizer, options.convention, options.context_length);  // before minutes of work
  NewDataset dataset;
  dataset.source = source_of(options, annotations);
  std::vector<std::string> changed;
  if (is_artifact_head(fs::path(options.out) / kDatasetFile)) {
    changed = differences(options.out, dataset.source);
    if (changed.empty()) {
      spdlog::info("{}: is already made from these sources with these options", options.out);
      Json report = report_of(options, options.out);
      report["unchanged"] = true;
      report["changed"] = Json::array();
      return report;
    }
    if (!options.overwrite)
      invalid_input(
          "{}: holds a dataset of other sources or options (changed: {}); make it again with --overwrite, or "
          "choose another --out",
          options.out, fmt::join(changed, ", "));
    spdlog::info("{}: is made again; changed: {}", options.out, fmt::join(changed, ", "));
  }
  if (annotations.video) {  // image_root of a video: the dataset itself
    cut_video_crops(annotations, options.images, out.work());
    dataset.source["crops_hash"] = hash_folder(out.work() / "crops");
  } else if (!options.no_images) {
    dataset.image_root = fs::canonical(options.images);
    check_images(annotations, dataset.image_root);
  }
  auto& rejections = annotations.rejections;
  std::stable_sort(rejections.begin(), rejections.end(),
                   [](const Rejection& a, const Rejection& b) { return a.index < b.index; });
  if (annotations.records.empty())
    invalid_input("{}: none of its {} records can be used; the first: record {}: {}", options.annotations,
                  annotations.total, rejections.front().index, rejections.front().reason);
  if (fraction > 0) split_by_identity(annotations.records, fraction, options.seed);

  dataset.tokenizer = options.tokenizer;
  dataset.convention = options.convention;
  dataset.context_length = options.context_length;
  const std::size_t unusable = fill(dataset, annotations, options);
  dataset.source["records"] = annotations.total;
  dataset.source["unusable_records"] = unusable;
  write_dataset(out.work(), dataset);
  Json report = report_of(options, out.work());
  out.commit(Flush::kWithFolder);

  report["unchanged"] = false;
  report["changed"] = changed;
  if (!rejections.empty())
    spdlog::warn("{} of {} records cannot be used, see {}; the first: record {}: {}", unusable,
                 annotations.total, (fs::path(options.out) / kInvalidFile).string(), rejections.front().index,
                 rejections.front().reason);
  return report;
}

}  // namespace edgeclip
