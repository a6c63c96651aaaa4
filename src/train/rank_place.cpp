#include "train/rank_place.h"

#include <charconv>
#include <cstring>

#include "base/error.h"

namespace edgeclip {

namespace {

/// What a launcher calls things; nullptr: it does not say.
struct Names {
  const char* launcher;
  const char *rank, *world, *local;
  bool tells_local;  ///< always: without `local` it is another launcher
  const char *job, *step;
};
/// The first that fits: mpirun and mpiexec inside a job of Slurm start a process of theirs on each machine by srun, whose variables
/// the ranks inherit.
constexpr Names kLaunchers[] = {
    {"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE", false, "PMIX_NAMESPACE", nullptr},
    // Of the names of a job it has PMI_ID alone, at times, which is the rank.
    {"MPICH", "PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS", true, nullptr, nullptr},
    // SLURM_NTASKS is there in the job's shell too, where nobody has started the other tasks.  With --mpi=pmi2 PMI_RANK is there.
    {"Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", nullptr, false, "SLURM_JOB_ID", "SLURM_STEP_ID"},
    {"a launcher with PMI", "PMI_RANK", "PMI_SIZE", nullptr, false, "PMI_JOBID", nullptr},
    {"torchrun's variables", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", false, nullptr, nullptr},
};

constexpr int kFirstPort = 20000, kPorts = 20000;

}  // namespace

RankPlace rank_place(const std::function<const char*(const char*)>& get) {
  const auto number = [&](const char* name, int from, int to) {
    const char* const text = get(name);
    int value = 0;
    const char* const end = text + std::strlen(text);
    const auto [stop, error] = std::from_chars(text, end, value);
    if (error != std::errc() || stop != end || value < from || value > to)
      invalid_input("{}: is \"{}\", not a number from {} to {}; unset it, or let the launcher set it", name, text, from, to);
    return value;
  };
  constexpr int kMost = 1 << 20;
  RankPlace place;
  std::string job;
  // What mpirun or srun say is of this very process; RANK may have been left by something around it.
  for (const Names& names : kLaunchers) {
    if (get(names.rank) == nullptr || get(names.world) == nullptr) continue;
    if (names.tells_local && get(names.local) == nullptr) continue;
    place.world = number(names.world, 1, kMost);
    place.rank = number(names.rank, 0, place.world - 1);
    const bool says = names.local != nullptr && get(names.local) != nullptr;
    place.local = says ? number(names.local, 1, place.world) : 1;
    if (!says && names.local == nullptr && get("SLURM_STEP_NUM_NODES") != nullptr && number("SLURM_STEP_NUM_NODES", 1, kMost) == 1)
      place.local = place.world;
    place.launcher = names.launcher;
    for (const char* name : {names.job, names.step})
      if (name != nullptr && get(name) != nullptr) job += fmt::format("{}/", get(name));
    break;
  }
  if (place.world == 1) return place;
  if (const char* host = get("MASTER_ADDR"); host != nullptr && *host != '\0')
    place.host = host;
  else if (place.local != place.world)
    invalid_input(
        "{} started {} processes, on more than one machine or without saying how many are on this one: set MASTER_ADDR to the "
        "machine of rank 0",
        place.launcher, place.world);
  if (get("MASTER_PORT") != nullptr) {
    place.port = number("MASTER_PORT", 1, 65535);
  } else if (!job.empty()) {
    unsigned hash = 0;
    for (const char c : job) hash = hash * 31 + static_cast<unsigned char>(c);
    place.port = kFirstPort + static_cast<int>(hash % kPorts);
  }
  return place;
}

}  // namespace edgeclip
