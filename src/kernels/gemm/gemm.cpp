#include "kernels/gemm/gemm.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "kernels/gemm/micro_kernels.h"

namespace edgeclip::kernels {

namespace {

/// Rows of A that one task keeps in the second-level cache while it goes over its panels.
constexpr std::int64_t kRowBytes = std::int64_t{384} << 10;
/// Work that is worth a task: about a microsecond of the fastest kernels.
constexpr std::int64_t kLeastBytes = std::int64_t{16} << 10;  ///< of weights
constexpr std::int64_t kLeastElements = 16384;                ///< of A, to convert
constexpr std::int64_t kTasksPerThread = 6;

constexpr std::int64_t kMostTaskRows = 512;

/// How M rows and the panels are divided: `rows` by `panels` of each task, tiles of at most `tile` rows.
struct Division {
  std::int64_t rows = 0, panels = 0, tile = 0;
};

std::int64_t parts(std::int64_t whole, std::int64_t part) { return (whole + part - 1) / part; }

Division divide(std::int64_t m, std::int64_t row_bytes, std::int64_t panel_bytes, std::int64_t panels, int most_rows,
                int threads) {
  Division d;
  // Tiles of nearly one height: 50 rows by at most 14 are 13, 13, 12, 12, and not 14, 14, 14, 8.
  const std::int64_t tiles = parts(m, most_rows);
  d.tile = parts(m, tiles);
  const std::int64_t fits = std::max<std::int64_t>(1, kRowBytes / std::max<std::int64_t>(1, row_bytes * d.tile));
  const std::int64_t groups = parts(tiles, fits);
  d.rows = std::min(parts(tiles, groups), kMostTaskRows / kMostRows) * d.tile;
  d.panels = panels;
  if (threads > 1) {
    const std::int64_t wanted = kTasksPerThread * threads, row_parts = parts(m, d.rows);
    const std::int64_t least = std::max<std::int64_t>(1, parts(kLeastBytes, panel_bytes));
    d.panels = std::clamp(parts(panels * row_parts, wanted), std::min(least, panels), panels);
  }
  return d;
}

/// One task: some rows by some panels.
struct Part {
  std::int64_t first_row, end_row, first_panel, end_panel;
};

template <class Body>
void over_parts(Executor& executor, std::int64_t m, const PackedWeights& w, const Division& d, const Body& body) {
  const std::int64_t row_parts = parts(m, d.rows), panel_parts = parts(w.panels(), d.panels);
  // Panels run slowest: tasks that run at the same time read the same weights.
  const auto task = [&](std::int64_t i) {
    const std::int64_t row = i % row_parts * d.rows, panel = i / row_parts * d.panels;
    body(Part{row, std::min(m, row + d.rows), panel, std::min(w.panels(), panel + d.panels)});
  };
  if (row_parts * panel_parts == 1)
    task(0);
  else
    executor.run(row_parts * panel_parts, task);
}

/// tile(row, rows, panel) of each.
template <class Tile>
void over_tiles(const Part& part, const Division& d, const Tile& tile) {
  for (std::int64_t p = part.first_panel; p < part.end_panel; ++p)
    for (std::int64_t row = part.first_row; row < part.end_row; row += d.tile)
      tile(row, static_cast<int>(std::min(d.tile, part.end_row - row)), p);
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

void gemm_f32(Executor& executor, const GemmInput& a, const PackedWeights& w, const Epilogue& epilogue) {
  const F32Kernels& kernels = f32_kernels(w.level);
  const F32Epilogue finish = epilogues(w.level).f32;
  const auto* data = static_cast<const float*>(a.data);
  const auto* panels = reinterpret_cast<const float*>(w.data.data());
  const Division d = divide(a.rows, w.k * 4, w.panel_elements * 4, w.panels(), kernels.most_rows, executor.threads());
  over_parts(executor, a.rows, w, d, [&](const Part& part) {
    alignas(64) float tile[kMostRows * kMostColumns];
    over_tiles(part, d, [&](std::int64_t row, int rows, std::int64_t panel) {
      kernels.tiles[rows - 1](data + row * a.stride, a.stride, panels + panel * w.panel_elements, w.k, tile);
      finish(tile, place_of(w, row, rows, panel), epilogue);
    });
  });
}

void gemm_bf16(Executor& executor, const GemmInput& a, const PackedWeights& w, const Epilogue& epilogue) {
  const Bf16Kernels& kernels = *bf16_kernels(w.level);
  const F32Epilogue finish = epilogues(w.level).f32;
  const auto* data = static_cast<const std::uint16_t*>(a.data);
  const auto* panels = reinterpret_cast<const std::uint16_t*>(w.data.data());
  const Division d = divide(a.rows, w.k * 2, w.panel_elements * 2, w.panels(), kernels.most_rows, executor.threads());
  over_parts(executor, a.rows, w, d, [&](const Part& part) {
    alignas(64) float tile[kMostRows * kMostColumns];
    over_tiles(part, d, [&](std::int64_t row, int rows, std::int64_t panel) {
      kernels.tile(data + row * a.stride, a.stride, panels + panel * w.panel_elements, w.groups, rows, tile);
      finish(tile, place_of(w, row, rows, panel), epilogue);
    });
    if (kernels.release) kernels.release();
  });
}

void gemm_s8(Executor& executor, const GemmInput& a, const PackedWeights& w, const Epilogue& epilogue) {
  const S8Kernels& kernels = s8_kernels(w.level);
  const S8Tile multiply = w.signed_a ? kernels.signed_a : kernels.unsigned_a;
  const S8Epilogue finish = epilogues(w.level).s8;
  const auto* data = static_cast<const std::uint8_t*>(a.data);
  const auto* panels = reinterpret_cast<const std::int8_t*>(w.data.data());
  // Where the kernels of int8 move A to uint8, its zero point moves with it.
  const std::int32_t zero = epilogue.a_zero_point + (w.signed_a && kernels.seven_bits ? 128 : 0);
  const Division d = divide(a.rows, w.k, w.panel_elements, w.panels(), kernels.most_rows, executor.threads());
  over_parts(executor, a.rows, w, d, [&](const Part& part) {
    alignas(64) std::int32_t tile[kMostRows * kMostColumns];
    alignas(64) std::int32_t column_offset[kMostColumns];
    std::int32_t row_offset[kMostTaskRows];  // what W + 128 added to the sums of each row
    if (w.offset) {
      kernels.row_sums(reinterpret_cast<const std::int8_t*>(data + part.first_row * a.stride), a.stride, w.k,
                       static_cast<int>(part.end_row - part.first_row), row_offset);
      for (std::int64_t r = 0; r < part.end_row - part.first_row; ++r) row_offset[r] *= 128;
    }
    std::int64_t offset_of = -1;  // the panel that column_offset is of
    over_tiles(part, d, [&](std::int64_t row, int rows, std::int64_t panel) {
      multiply(data + row * a.stride, a.stride, panels + panel * w.panel_elements, w.groups, rows, tile);
      const TilePlace place = place_of(w, row, rows, panel);
      if (zero != 0 && offset_of != panel) {
        for (int c = 0; c < w.width; ++c)
          column_offset[c] = zero * w.column_sums[static_cast<std::size_t>(place.column + c)];
        offset_of = panel;
      }
      finish(tile, place, epilogue, zero != 0 ? column_offset : nullptr,
             w.offset ? row_offset + (row - part.first_row) : nullptr);
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
      return gemm_f32(executor, a, w, epilogue);
    case WeightType::bf16:
      return gemm_bf16(executor, a, w, epilogue);
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
