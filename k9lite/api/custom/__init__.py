"""Custom resources: what a CustomResourceDefinition's schema says about their objects, and the Resources it makes."""
