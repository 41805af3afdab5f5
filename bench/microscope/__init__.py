"""One command under the microscope: all its attempts on one time axis across workers."""
