"""The ontology as data: modules, concept schemes, shapes, rules, mappings and named queries."""
