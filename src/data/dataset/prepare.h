#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/json.h"

namespace edgeclip {

struct PrepareOptions {
  std::string annotations, images, out;
  std::string format = "auto";  ///< as in formats.h
  bool no_images = false;       ///< captions alone: images are neither looked for nor needed
  std::string strip_prefix;     ///< removed from the start of every path
  std::string prompt;           ///< put before every caption
  std::string tokenizer = "train:2000";
  std::string convention;  ///< of CLIP's tokenizer, as in load_tokenizer
  int context_length = 77;
  std::string split = "annotated";   ///< "annotated" | a fraction for test, by identity
  std::int64_t val_from_frame = -1;  ///< video: training records with frame >= this become "val"; -1: none
  std::uint64_t seed = 0;
  double max_unreadable = 10;  ///< percent of the records; prepare_dataset reports, its caller judges
  bool overwrite = false;      ///< a dataset of other sources or options at `out` may be replaced
};

/// Annotation file to prepared dataset; returns the report (counts per split, identities, invalid records).
/// If `out` is a dataset made from the same sources (by hash) with the same options, it stays as it is and
/// the report says "unchanged"; another one is replaced only with options.overwrite, and "changed" lists what
/// differs.  "unusable_percent": of the records.
/// Records that cannot be used go to invalid.csv with the reason; nothing else is lost.  Throws InvalidInput
/// if the file is not readable as its format, or nothing valid remains.
Json prepare_dataset(const PrepareOptions& options);

}  // namespace edgeclip
