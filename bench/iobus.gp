# SPDX-License-Identifier: BSD-2-Clause
# data: a block per case, a column per scheme; picture: the SVG to write.
set terminal svg size 1000,760 font 'sans-serif,12' background '#ffffff'
set output picture
set datafile missing 'NaN'
set logscale xy
set xtics (1, 8, 32, 200, 1000, '4096' 4096, '16384' 16384)
set format y '%g'
set grid ytics
set key top left
set multiplot layout 2,2 title 'I/O bus: ns per access over the number of ranges'
array title[4] = ['ports, random hits', 'MMIO, random hits', 'MMIO, same address again', 'doorbells on one address']
array block[4] = ['port-random', 'mmio-random', 'mmio-same', 'one-address']
array scheme[5] = ['linear scan', 'array of 2011', 'tree with last hit', 'ours', 'floor']
do for [i = 1:4] {
    set title title[i]
    plot for [s = 1:5] data index block[i] using 1:(column(s + 1)) with linespoints linewidth 2 title scheme[s]
}
unset multiplot
