# embed.cmake - a file as bytes of a C array: cmake -DIN=page.html -DOUT=page.c -DNAME=page -P embed.cmake
file(READ ${IN} hex HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
file(WRITE ${OUT} "// made of ${IN}\n#include <stddef.h>\nextern const unsigned char ${NAME}_bytes[];\nextern const size_t ${NAME}_size;\nconst unsigned char ${NAME}_bytes[] = {${bytes}};\nconst size_t ${NAME}_size = sizeof ${NAME}_bytes;\n")
