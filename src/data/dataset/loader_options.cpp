#include "data/dataset/loader_options.h"

#include "base/error.h"
#include "base/key_path.h"

namespace edgeclip {

void LoadingOptions::validate(const std::string& where) const {
  if (captions != "one" && captions != "all")
    invalid_input("{}captions: \"{}\" is neither \"one\" nor \"all\"", where, captions);
  if (unique_ids != "prefer" && unique_ids != "always" && unique_ids != "off")
    invalid_input("{}unique_ids: \"{}\" is none of \"prefer\", \"always\" and \"off\"", where, unique_ids);
  if (identities < 0 || images_per_identity < 0 || (identities == 0) != (images_per_identity == 0))
    invalid_input("{}identities {} and images_per_identity {}: both or none must be above 0", where,
                  identities, images_per_identity);
  if (identities == 1)
    invalid_input("{}identities: must be at least 2: a pair is told from the others of its batch", where);
  constexpr std::int64_t kLargestBatch = 65536;
  if (std::int64_t{identities} * images_per_identity > kLargestBatch)
    invalid_input("{}identities {} x images_per_identity {}: a batch has at most {} images", where,
                  identities, images_per_identity, kLargestBatch);
  if (identities > 0 && unique_ids != LoadingOptions().unique_ids)
    invalid_input(
        "{}unique_ids: {} has no effect beside {}identities, with which a person has {} rows of a batch; "
        "leave one of the two out",
        where, unique_ids, key_path(where), images_per_identity);
  if (on_corrupt != "error" && on_corrupt != "skip")
    invalid_input("{}on_corrupt: \"{}\" is neither \"error\" nor \"skip\"", where, on_corrupt);
  if (!(max_unreadable >= 0 && max_unreadable <= 100))
    invalid_input("{}max_unreadable: {} is no percentage (0 to 100)", where, max_unreadable);
  if (threads < 0 || threads > 4096)
    invalid_input("{}threads: must be 0 (all) to 4096, is {}", where, threads);
  if (queue < 1 || queue > 4096) invalid_input("{}queue: must be 1 to 4096 batches, is {}", where, queue);
  if (cache_mb < 0) invalid_input("{}cache_mb: must be 0 (none) or more, is {}", where, cache_mb);
}

LoadingOptions LoadingOptions::for_each_image() const {
  LoadingOptions same = *this;
  same.captions = "one";
  same.unique_ids = "off";
  same.identities = same.images_per_identity = 0;
  return same;
}

std::int64_t LoaderOptions::rows() const {
  return loading.identities > 0 ? std::int64_t{loading.identities} * loading.images_per_identity : batch;
}

void LoaderOptions::validate() const {
  if (batch < 1) invalid_input("batch must be at least 1, found {}", batch);
  loading.validate("loading.");
  augment.validate("augment.");
  if (world < 1 || rank < 0 || rank >= world)
    invalid_input("rank {} of {}: rank must be from 0 to one less than world", rank, world);
  if (const std::int64_t over = rows() % world; over != 0) {
    const std::int64_t less = rows() - over;
    invalid_input("{}: {} rows are no {} equal parts, one for each process; make them {}{}",
                  loading.identities > 0 ? "loading.identities x images_per_identity" : "batch", rows(),
                  world, less > 0 ? std::to_string(less) + " or " : "", less + world);
  }
  if (world > 1 && loading.on_corrupt == "skip")
    invalid_input(
        "loading.on_corrupt: skip: a process that leaves an image out would have a smaller part of the batch "
        "than the other {}; set it to error (edgeclip prepare leaves unreadable images out), or use one "
        "process",
        world - 1);
}

}  // namespace edgeclip
