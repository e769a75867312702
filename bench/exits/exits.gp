# SPDX-License-Identifier: BSD-2-Clause
# data: a row per operation: label, ours, KVM without mitigations, KVM as it comes; picture: SVG;
# columns: those that have values, '2 3 4' for all.
set terminal svg size 1000,900 font 'sans-serif,12' background '#ffffff'
set output picture
set title 'One VM exit, in instructions (fewer is better)'
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.9 noborder
set logscale y
set yrange [50:*]
set grid ytics
set key top left
set xtics rotate by 60 right scale 0
set bmargin 17
set lmargin 16
set rmargin 3
array name[4] = ['', 'Portcullis', 'KVM, mitigations=off', 'KVM, default']
array shade[4] = [0, 0x2060a0, 0xc08020, 0xa03020]
plot for [column in columns] data using int(column):xtic(1) title name[int(column)] \
     linecolor rgb shade[int(column)]
