using System.Diagnostics;

namespace ConcertSaga.Gateway.Tests.Hosts;

/// <summary>The result of opening a page in a browser.</summary>
/// <param name="Page">The page after its scripts have run.</param>
/// <param name="Console">The lines of the browser's console.</param>
public sealed record PageVisit(string Page, string[] Console);

/// <summary>Runs a real headless browser: the program of <c>CONCERT_TEST_BROWSER</c>, or an installed Chromium.</summary>
public static class Browser
{
    private const string Setting = "CONCERT_TEST_BROWSER";

    private static readonly string[] Names = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"];

    /// <summary>Opens a page and lets its scripts run until they are idle.</summary>
    public static async Task<PageVisit> OpenAsync(Uri address)
    {
        var profile = Directory.CreateTempSubdirectory("concertsaga-browser-");
        using var browser = Prepare(profile,
            // The page renders only the operations within the window.
            "--window-size=1200,3000",
            "--enable-logging=stderr", "--v=0",
            // Virtual time stops while the page loads, so a slow machine does not matter.
            "--virtual-time-budget=5000", "--dump-dom", address.ToString());
        try
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
            browser.Start();
            var read = await Task.WhenAll(browser.StandardOutput.ReadToEndAsync(limit.Token),
                browser.StandardError.ReadToEndAsync(limit.Token));
            await browser.WaitForExitAsync(limit.Token);
            Assert.True(browser.ExitCode == 0, $"{browser.StartInfo.FileName} ended with {browser.ExitCode}:\n{read[1]}");
            return new PageVisit(read[0], [.. read[1].Split('\n').Where(line => line.Contains(":CONSOLE", StringComparison.Ordinal))]);
        }
        finally
        {
            if (!browser.HasExited)
                browser.Kill(entireProcessTree: true);
            profile.Delete(recursive: true);
        }
    }

    /// <summary>Starts a browser that takes orders on a port of this machine.</summary>
    public static async Task<(IAsyncDisposable Browser, int Port)> StartAsync()
    {
        var profile = Directory.CreateTempSubdirectory("concertsaga-browser-");
        var running = new Running(Prepare(profile, "--remote-debugging-port=0", "about:blank"), profile);
        try
        {
            running.Process.Start();
            using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
            while (await running.Process.StandardError.ReadLineAsync(limit.Token) is { } line)
            {
                if (Uri.TryCreate(line.Split(' ')[^1], UriKind.Absolute, out var address) && address.Scheme == "ws")
                    return (running, address.Port);
            }
            throw new InvalidOperationException("The browser ended before it listened.");
        }
        catch
        {
            await running.DisposeAsync();
            throw;
        }
    }

    private static Process Prepare(DirectoryInfo profile, params string[] arguments) => new()
    {
        StartInfo = new ProcessStartInfo(Find(),
        [
            // The sandbox needs privileges that a test may lack, and the page is trusted.
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", $"--user-data-dir={profile.FullName}",
            // Resolves no host except this machine.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", .. arguments
        ])
        { RedirectStandardOutput = true, RedirectStandardError = true }
    };

    private static string Find()
    {
        if (Environment.GetEnvironmentVariable(Setting) is { Length: > 0 } given)
            return given;
        var found = Names.SelectMany(name => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
            .Select(folder => Path.Combine(folder, name))).FirstOrDefault(File.Exists);
        Assert.SkipWhen(found is null,
            $"No browser: {Setting} is not set, and no Chromium is installed (Debian: apt-get install {Names[0]}).");
        return found!;
    }

    private sealed record Running(Process Process, DirectoryInfo Profile) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            Process.Kill(entireProcessTree: true);
            await Process.WaitForExitAsync();
            Process.Dispose();
            Profile.Delete(recursive: true);
        }
    }
}
