"""@bruin
name: surface.switched
enabled: "{{ var.switched_on }}"
depends: [surface.off]
@bruin"""

print("the switched asset ran")
