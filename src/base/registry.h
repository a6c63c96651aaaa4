#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/error.h"

/// A registry: what there is of a kind, as one table of rows with a name.  The same names stand in one table
/// per folder that has something to say about them, and tests compare those.
namespace edgeclip {

/// The row of that name, which must be there: names that a user gives are checked where they are read.
template <class Row, std::size_t n>
const Row& named_row(const Row (&rows)[n], const std::string& name) {
  for (const Row& row : rows)
    if (name == row.name) return row;
  EDGECLIP_CHECK(false, "no row \"{}\"", name);
  __builtin_unreachable();
}

template <class Row, std::size_t n>
std::vector<std::string> row_names(const Row (&rows)[n]) {
  std::vector<std::string> names;
  for (const Row& row : rows) names.emplace_back(row.name);
  return names;
}

}  // namespace edgeclip
