#include "base/csv.h"

#include "fuzz_file.h"

// What is read is written and read again: the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const edgeclip::fuzz::MemoryFile file(data, size);
  edgeclip::fuzz::reads([&] {
    const auto rows = edgeclip::read_csv(file.path());
    std::string text = edgeclip::csv_row({"header"});
    for (const auto& row : rows) {
      if (row.empty()) ::abort();
      text += edgeclip::csv_row(row);
    }
    const edgeclip::fuzz::MemoryFile written(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
    auto again = edgeclip::read_csv(written.path());
    again.erase(again.begin());
    if (again != rows) ::abort();
  });
  edgeclip::fuzz::reads([&] {
    for (const auto& row : edgeclip::read_csv_table(file.path(), {"path", "id", "frame", "caption"}))
      if (row.size() != 4) ::abort();
  });
  return 0;
}
