//! One thread per program process: spawns it, waits for its end, reaps it when told.
