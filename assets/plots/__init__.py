"""Pictures of the stages' outputs as SVG and PNG; numbers come in ready."""
