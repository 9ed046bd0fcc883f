//! Events, their payloads, and the pools of listeners they go to. Pure; owned by the coordinator.
