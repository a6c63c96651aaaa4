#include "kernels/gemm/gemm.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "kernels/gemm/micro_kernels.h"

namespace edgeclip::kernels {

namespace {

/// About so much of a panel is multiplied at a time, by all rows of a task: it stays in the first-level cache.
constexpr std::int64_t kChunkBytes = std::int64_t{32} << 10;
/// Rows of A that one task keeps in the second-level cache while it goes over its panels.
constexpr std::int64_t kRowBytes = std::int64_t{384} << 10;
constexpr std::int64_t kMostTaskRows = 112;
/// Sums of a task that are still open, 4 bytes each.
constexpr std::int64_t kMostSums = std::int64_t{24} << 10;
/// Work that is worth a task: about a microsecond of the fastest kernels.
constexpr std::int64_t kLeastBytes = std::int64_t{16} << 10;  ///< of weights
constexpr std::int64_t kLeastElements = 16384;                ///< of A, to convert
constexpr std::int64_t kTasksPerThread = 6;

std::int64_t parts(std::int64_t whole, std::int64_t part) { return (whole + part - 1) / part; }

/// How a product is divided (Goto and van de Geijn 2008, with A left where it is):
///   tasks of `rows` by `panels`; of these, `block` panels at a time; of these, `chunk` groups of K at a time, which
///   all tiles of `tile` rows are multiplied by before the next.
struct Division {
  std::int64_t rows = 0, panels = 0, block = 0, chunk = 0, tile = 0;
};

Division divide(std::int64_t m, std::int64_t row_bytes, const PackedWeights& w, std::int64_t element_bytes, int most_rows,
                int threads) {
  Division d;
  // Tiles of nearly one height: 50 rows by at most 14 are 13, 13, 12, 12, and not 14, 14, 14, 8.
  const std::int64_t tiles = parts(m, most_rows), panel_bytes = w.panel_elements * element_bytes;
  d.tile = parts(m, tiles);
  const std::int64_t chunks = tiles > 1 ? std::max<std::int64_t>(1, panel_bytes / kChunkBytes) : 1;
  d.chunk = parts(parts(w.groups, chunks), kAheadGroups) * kAheadGroups;
  const std::int64_t most = std::clamp(chunks > 1 ? kMostTaskRows : kRowBytes / std::max<std::int64_t>(1, row_bytes),
                                       d.tile, std::max(d.tile, kMostTaskRows));
  d.rows = parts(tiles, parts(tiles, most / d.tile)) * d.tile;
  d.panels = w.panels();
  if (threads > 1) {
    const std::int64_t wanted = kTasksPerThread * threads, row_parts = parts(m, d.rows);
    const std::int64_t least = std::max<std::int64_t>(1, parts(kLeastBytes, panel_bytes));
    d.panels = std::clamp(parts(d.panels * row_parts, wanted), std::min(least, d.panels), d.panels);
  }
  d.block = chunks > 1 ? std::clamp<std::int64_t>(kMostSums / (d.rows * w.width), 1, d.panels) : 1;
  return d;
}

/// One task: some rows by some panels, and the panel that the same thread is likely to come to next.
struct Part {
  std::int64_t first_row, end_row, first_panel, end_panel, next_panel;
};

template <class Body>
void over_parts(Executor& executor, std::int64_t m, const PackedWeights& w, const Division& d, const Body& body) {
  const std::int64_t row_parts = parts(m, d.rows), panel_parts = parts(w.panels(), d.panels);
  const std::int64_t threads = executor.threads();
  // Panels run slowest: tasks that run at the same time read the same weights.
  const auto task = [&](std::int64_t i) {
    const std::int64_t row = i % row_parts * d.rows, panel = i / row_parts * d.panels;
    body(Part{row, std::min(m, row + d.rows), panel, std::min(w.panels(), panel + d.panels),
              (i + threads) / row_parts * d.panels});
  };
  if (row_parts * panel_parts == 1)
    task(0);
  else
    executor.run(row_parts * panel_parts, task);
}

/// Where a task is: some groups of one panel.
struct Place {
  std::int64_t block = 0, chunk = 0, panel = 0;  ///< the first panel of the block, the first group, the panel

  /// What is multiplied behind this; may lie beyond the weights.
  Place next(const Part& part, const Division& d, const PackedWeights& w) const {
    if (panel + 1 < std::min(block + d.block, part.end_panel)) return {block, chunk, panel + 1};
    if (chunk + d.chunk < w.groups) return {block, chunk + d.chunk, block};
    const std::int64_t first = block + d.block < part.end_panel ? block + d.block : part.next_panel;
    return {first, 0, first};
  }
};

/// The sums of a task: multiply(row, panel data, step, sums) of each tile by each chunk, and finish(sums, row, rows,
/// panel) when a tile has all of K.
template <class Sum, class W, class Multiply, class Finish>
void over_tiles(const Part& part, const Division& d, const PackedWeights& w, const Multiply& multiply,
                const Finish& finish) {
  alignas(64) Sum sums[kMostSums];
  const auto* weights = reinterpret_cast<const W*>(w.data.data());
  const std::int64_t group_elements = w.width * w.group, rows = part.end_row - part.first_row;
  const auto data_of = [&](const Place& at) { return weights + at.panel * w.panel_elements + at.chunk * group_elements; };
  const std::int64_t tiles = parts(rows, d.tile);
  for (Place at{.block = part.first_panel}; at.block < part.end_panel; at.block += d.block) {
    const std::int64_t end = std::min(at.block + d.block, part.end_panel);
    for (at.chunk = 0; at.chunk < w.groups; at.chunk += d.chunk) {
      TileStep step;
      step.groups = std::min(d.chunk, w.groups - at.chunk);
      step.more = at.chunk > 0;
      const bool last = at.chunk + step.groups == w.groups, open = step.more || !last;
      for (at.panel = at.block; at.panel < end; ++at.panel) {
        // All tiles together bring what is next, of the length of what is multiplied.
        const Place next = at.next(part, d, w);
        const bool known = next.panel < w.panels();
        const auto* ahead = known ? reinterpret_cast<const std::byte*>(data_of(next)) : nullptr;
        step.ahead_bytes = known ? parts(kAheadGroups * group_elements * std::int64_t{sizeof(W)}, 64 * tiles) * 64 : 0;
        const std::int64_t ahead_of_tile = parts(step.groups, kAheadGroups) * step.ahead_bytes;
        for (std::int64_t row = 0; row < rows; row += d.tile) {
          step.rows = static_cast<int>(std::min(d.tile, rows - row));
          step.ahead = ahead;
          if (known) ahead += ahead_of_tile;
          Sum* of_tile = open ? sums + ((at.panel - at.block) * rows + row) * w.width : sums;
          multiply(part.first_row + row, data_of(at), at.chunk, step, of_tile);
          if (last) finish(of_tile, part.first_row + row, step.rows, at.panel);
        }
      }
    }
  }
}

TilePlace place_of(const PackedWeights& w, std::int64_t row, int rows, std::int64_t panel) {
  TilePlace place;
  place.row = row;
  place.rows = rows;
  place.column = panel * w.width;
  place.columns = static_cast<int>(std::min<std::int64_t>(w.width, w.n - place.column));
  place.width = w.width;
  return place;
}

/// float32 and bfloat16.
template <class A, class Kernels>
void gemm_float(Executor& executor, const GemmInput& a, const PackedWeights& w, const Epilogue& epilogue,
                const Kernels& kernels, void (*release)()) {
  const F32Epilogue finish = epilogues(w.level).f32;
  const auto* data = static_cast<const A*>(a.data);
  const Division d = divide(a.rows, row_elements(w) * sizeof(A), w, sizeof(A), kernels.most_rows, executor.threads());
  over_parts(executor, a.rows, w, d, [&](const Part& part) {
    over_tiles<float, A>(
        part, d, w,
        [&](std::int64_t row, const A* panel, std::int64_t group, const TileStep& step, float* sums) {
          kernels.tile(data + row * a.stride + group * w.group, a.stride, panel, step, sums);
        },
        [&](const float* sums, std::int64_t row, int rows, std::int64_t panel) {
          finish(sums, place_of(w, row, rows, panel), epilogue);
        });
    if (release) release();
  });
}

void gemm_s8(Executor& executor, const GemmInput& a, const PackedWeights& w, const Epilogue& epilogue) {
  const S8Kernels& kernels = s8_kernels(w.level);
  const S8Tile multiply = w.signed_a ? kernels.signed_a : kernels.unsigned_a;
  const S8Epilogue finish = epilogues(w.level).s8;
  const auto* data = static_cast<const std::uint8_t*>(a.data);
  // Where the kernels of int8 move A to uint8, its zero point moves with it.
  const std::int32_t zero = epilogue.a_zero_point + (w.signed_a && kernels.seven_bits ? 128 : 0);
  const Division d = divide(a.rows, row_elements(w), w, 1, kernels.most_rows, executor.threads());
  over_parts(executor, a.rows, w, d, [&](const Part& part) {
    alignas(64) std::int32_t column_offset[kMostColumns];
    std::int32_t row_offset[kMostTaskRows];  // what W + 128 added to the sums of each row
    if (w.offset) {
      kernels.row_sums(reinterpret_cast<const std::int8_t*>(data + part.first_row * a.stride), a.stride, w.k,
                       static_cast<int>(part.end_row - part.first_row), row_offset);
      for (std::int64_t r = 0; r < part.end_row - part.first_row; ++r) row_offset[r] *= 128;
    }
    std::int64_t offset_of = -1;  // the panel that column_offset is of
    over_tiles<std::int32_t, std::int8_t>(
        part, d, w,
        [&](std::int64_t row, const std::int8_t* panel, std::int64_t group, const TileStep& step, std::int32_t* sums) {
          multiply(data + row * a.stride + group * w.group, a.stride, panel, step, sums);
        },
        [&](const std::int32_t* sums, std::int64_t row, int rows, std::int64_t panel) {
          const TilePlace place = place_of(w, row, rows, panel);
          if (zero != 0 && offset_of != panel) {
            for (int c = 0; c < w.width; ++c)
              column_offset[c] = zero * w.column_sums[static_cast<std::size_t>(place.column + c)];
            offset_of = panel;
          }
          S8Offsets offsets;
          if (zero != 0) offsets.column = column_offset;
          if (w.offset) offsets.row = row_offset + (row - part.first_row);
          if (epilogue.row_zero_point) {
            offsets.row_zero_point = epilogue.row_zero_point + row;
            offsets.column_sums = w.column_sums.data() + place.column;
          }
          finish(sums, place, epilogue, offsets);
        });
    if (kernels.release) kernels.release();
  });
}

}  // namespace

std::int64_t row_elements(const PackedWeights& w) { return w.type == WeightType::f32 ? w.k : w.groups * w.group; }
std::int64_t padded_columns(const PackedWeights& w) { return w.panels() * w.width; }

void gemm(Executor& executor, const GemmInput& a, const PackedWeights& w, const Epilogue& epilogue) {
  if (a.rows <= 0 || w.n <= 0) return;
  switch (w.type) {
    case WeightType::f32:
      return gemm_float<float>(executor, a, w, epilogue, f32_kernels(w.level), nullptr);
    case WeightType::bf16:
      return gemm_float<std::uint16_t>(executor, a, w, epilogue, *bf16_kernels(w.level), bf16_kernels(w.level)->release);
    case WeightType::s8:
      EDGECLIP_CHECK(epilogue.column_scale != nullptr, "8-bit products have scales");
      return gemm_s8(executor, a, w, epilogue);
  }
}

std::string product_name(const PackedWeights& w) {
  const char* type = w.type == WeightType::f32 ? "f32:" : w.type == WeightType::bf16 ? "bf16:" : "s8:";
  return type + level_name(w.level);
}

void make_rows_bf16(Executor& executor, const float* from, std::int64_t rows, const PackedWeights& w, std::uint16_t* to) {
  const Narrow narrow = epilogues(w.level).narrow;
  const std::int64_t stride = row_elements(w), grain = parts(kLeastElements, w.k);
  parallel_chunks(executor, rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      narrow(from + row * w.k, w.k, to + row * stride);
      std::fill(to + row * stride + w.k, to + (row + 1) * stride, std::uint16_t{0});
    }
  });
}

void pad_rows(Executor& executor, const std::uint8_t* from, std::int64_t rows, const PackedWeights& w, std::uint8_t* to) {
  const std::int64_t stride = row_elements(w), grain = parts(kLeastElements, w.k);
  parallel_chunks(executor, rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      std::memcpy(to + row * stride, from + row * w.k, static_cast<std::size_t>(w.k));
      std::fill(to + row * stride + w.k, to + (row + 1) * stride, std::uint8_t{0});
    }
  });
}

void narrow_to_bf16(const float* from, std::int64_t n, std::uint16_t* to) {
  epilogues(cpu_level()).narrow(from, n, to);
}

}  // namespace edgeclip::kernels
