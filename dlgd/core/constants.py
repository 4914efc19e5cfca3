"""Physical constants and conventions that several rooms use."""

import math

EARTH_RADIUS_M = 6.371e6  # mean radius, IUGG (Moritz 2000, Geodetic Reference System 1980)
KM_PER_DEGREE = math.radians(EARTH_RADIUS_M / 1e3)  # along a meridian of a sphere of the mean radius: 111.195

CF_CONVENTIONS = {"Conventions": "CF-1.11"}  # global attributes of the NetCDF files that dlgd writes
