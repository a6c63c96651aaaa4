#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "retrieval/gallery/item_table.h"

namespace edgeclip {

/// A record of a gallery's journal: rows that were appended together.
struct JournalRecord {
  std::vector<NumberedItem> items;
  std::vector<std::uint64_t> replaced;
  std::string model_hash, precision;  ///< of the encoder that made the rows
  const float* rows = nullptr;  ///< (items, D) in the record's bytes, of any alignment: to be copied from
};

std::string journal_record(const std::vector<NumberedItem>& items, const float* rows, std::int64_t dim,
                           const std::vector<std::uint64_t>& replaced, const std::string& model_hash, const std::string& precision);
/// where: for messages.  Throws InvalidInput if it is none, or of another width.
JournalRecord read_journal_record(std::string_view record, std::int64_t dim, const std::string& where);

}  // namespace edgeclip
