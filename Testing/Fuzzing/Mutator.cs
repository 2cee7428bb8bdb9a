using System.Globalization;
using System.Text;

namespace ConcertSaga.Testing.Fuzzing;

/// <summary>Changes valid inputs at random: bits, bytes, ranges, numbers, and tokens that readers often treat wrongly.</summary>
internal sealed class Mutator(IReadOnlyList<byte[]> samples, Random random)
{
    private const int MaxLength = 64 * 1024;

    private static readonly byte[][] Tokens =
    [
        .. new[]
        {
            "\"", "\\", "'", "{", "}", "[", "]", "[[[[[[[[", ",", ":", ";", ".", "..", "/", "//", "%", "%2F", "%00", "%zz", "&", "=", "?",
            "#", "+", "-", "_", "~", " ", "\t", "\r", "\n", "\r\n", "\r\n\r\n", "\0", "\u0085", "\u200b", "\ufeff", "\u0661", "é", "𝄞",
            "null", "true", "NaN", "Infinity", "0", "00", "-1", "1e999", "2147483648", "9223372036854775808", "1.5", "\\ud800", "\\u0000",
            "0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d", "9999-12-31T23:59:59Z", "0001-01-01", "AAAA", "A==", "chunked", "identity", "*/*",
            "utf-16", "\"\"", "<b>", "$(id)", "' OR 1=1 --"
        }.Select(Encoding.UTF8.GetBytes),
        [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80]
    ];

    private static readonly string[] Numbers =
        ["0", "-0", "-1", "1", "255", "65536", "2147483647", "2147483648", "9223372036854775807", "99999999999999999999", "1e9", "0x10"];

    /// <summary>The next input: a sample with one to six changes.</summary>
    public byte[] Next()
    {
        var input = samples[random.Next(samples.Count)];
        for (var changes = 1 + random.Next(6); changes > 0; changes--)
            input = Change(input);
        return input.Length > MaxLength ? input[..MaxLength] : input;
    }

    private byte[] Change(byte[] input)
    {
        int start = random.Next(input.Length + 1), end = start + random.Next(Math.Min(32, input.Length - start) + 1);
        switch (random.Next(9))
        {
            case 0 when input.Length > 0:
                byte[] flipped = [.. input];
                flipped[random.Next(input.Length)] ^= (byte)(1 << random.Next(8));
                return flipped;
            case 1 when input.Length > 0:
                byte[] changed = [.. input];
                changed[random.Next(input.Length)] = (byte)random.Next(256);
                return changed;
            case 2:
                return [.. input[..start], .. input[end..]];
            case 3:
                return [.. input[..end], .. input[start..]];
            case 4:
                return [.. input[..start], .. Enumerable.Repeat(input[start..end], 1 + random.Next(200)).SelectMany(part => part),
                    .. input[end..]];
            case 5:
                return input[..start];
            case 6:
                return [.. input[..start], .. WithOtherNumber(input[start..])];
            case 7:
                var other = samples[random.Next(samples.Count)];
                return [.. input[..start], .. other[random.Next(other.Length + 1)..]];
            default:
                return [.. input[..start], .. Tokens[random.Next(Tokens.Length)], .. input[(random.Next(2) == 0 ? start : end)..]];
        }
    }

    // Replaces the first number of the input.
    private byte[] WithOtherNumber(byte[] input)
    {
        var first = Array.FindIndex(input, value => char.IsAsciiDigit((char)value));
        if (first < 0)
            return input;
        var last = first;
        while (last < input.Length && char.IsAsciiDigit((char)input[last]))
            last++;
        var number = random.Next(3) == 0 ? random.NextInt64().ToString(CultureInfo.InvariantCulture)
            : Numbers[random.Next(Numbers.Length)];
        return [.. input[..first], .. Encoding.ASCII.GetBytes(number), .. input[last..]];
    }
}
