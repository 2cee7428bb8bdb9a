namespace ConcertSaga.Gateway.SignIn;

/// <summary>Reads where a sign-in returns to. Only a path of this gateway is allowed, or a link could lead to a forged page.</summary>
internal static class ReturnUrl
{
    private const string Home = "/";
    private const int MaxLength = 1024;

    /// <summary>The address as given if it is a local path, otherwise the home page.</summary>
    public static string Read(IEnumerable<string?> values) => values.ToArray() is [{ } text] && IsLocalPath(text) ? text : Home;

    public static bool IsLocalPath(string text)
    {
        if (text.Length > MaxLength || !IsSafe(text))
            return false;
        // A proxy or a page may decode the address more often than the gateway does.
        var (encoded, decoded) = (text, Uri.UnescapeDataString(text));
        // Each round shortens the text, so this ends.
        while (decoded != encoded)
        {
            if (!IsSafeDecoded(decoded))
                return false;
            (encoded, decoded) = (decoded, Uri.UnescapeDataString(decoded));
        }
        return true;
    }

    // As sent: visible ASCII only, which is what a Location header can carry.
    private static bool IsSafe(string text) => IsSafeDecoded(text) && !text.AsSpan().ContainsAnyExceptInRange('!', '~');

    // Browsers read a backslash as a slash, and skip control characters.
    private static bool IsSafeDecoded(string text) =>
        text is ['/', ..] and not ['/', '/', ..] && !text.Contains('\\', StringComparison.Ordinal) && !text.Any(char.IsControl);
}
