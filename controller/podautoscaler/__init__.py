"""HorizontalPodAutoscalers: as many replicas as what they use calls for."""
