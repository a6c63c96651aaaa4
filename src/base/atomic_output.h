#pragma once

/// Files and folders that appear whole or not at all.
#include "base/atomic_directory.h"
#include "base/atomic_file.h"
#include "base/atomic_files.h"
