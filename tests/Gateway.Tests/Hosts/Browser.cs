using System.Diagnostics;

namespace ConcertSaga.Gateway.Tests.Hosts;

/// <summary>What a browser made of a page.</summary>
/// <param name="Page">The page as its scripts left it.</param>
/// <param name="Console">What the browser's console says.</param>
public sealed record Browsed(string Page, string[] Console);

/// <summary>A real browser without a window: the program of <c>CONCERT_TEST_BROWSER</c>, or the Chromium that is installed.</summary>
public static class Browser
{
    private const string Setting = "CONCERT_TEST_BROWSER";

    private static readonly string[] Names = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"];

    /// <summary>Opens a page and lets its scripts run until they have nothing more to do.</summary>
    public static async Task<Browsed> OpenAsync(Uri address)
    {
        var profile = Directory.CreateTempSubdirectory("concertsaga-browser-");
        using var browser = new Process
        {
            StartInfo = new ProcessStartInfo(Find(),
            [
                // Its sandbox needs rights that a test has not everywhere; the page is our own.
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", $"--user-data-dir={profile.FullName}",
                // Nothing outside this machine has an address.
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                "--enable-logging=stderr", "--v=0",
                // The page's own seconds, which stand still while it loads: a slow machine changes nothing.
                "--virtual-time-budget=5000", "--dump-dom", address.ToString()
            ])
            { RedirectStandardOutput = true, RedirectStandardError = true }
        };
        try
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
            browser.Start();
            var read = await Task.WhenAll(browser.StandardOutput.ReadToEndAsync(limit.Token), browser.StandardError.ReadToEndAsync(limit.Token));
            await browser.WaitForExitAsync(limit.Token);
            Assert.True(browser.ExitCode == 0, $"{browser.StartInfo.FileName} ended with {browser.ExitCode}:\n{read[1]}");
            return new Browsed(read[0], [.. read[1].Split('\n').Where(line => line.Contains(":CONSOLE", StringComparison.Ordinal))]);
        }
        finally
        {
            if (!browser.HasExited)
                browser.Kill(entireProcessTree: true);
            profile.Delete(recursive: true);
        }
    }

    private static string Find()
    {
        if (Environment.GetEnvironmentVariable(Setting) is { Length: > 0 } given)
            return given;
        var found = Names.SelectMany(name => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, name))).FirstOrDefault(File.Exists);
        Assert.SkipWhen(found is null, $"No browser: {Setting} is not set, and no Chromium is installed (Debian: apt-get install {Names[0]}).");
        return found!;
    }
}
