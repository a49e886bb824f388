"""Every name and schema, once: topics, messages, lake objects. Nothing here has an effect."""
