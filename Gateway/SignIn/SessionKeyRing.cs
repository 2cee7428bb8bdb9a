using ConcertSaga.Shared.Hosting;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.AuthenticatedEncryption;
using Microsoft.AspNetCore.DataProtection.AuthenticatedEncryption.ConfigurationModel;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>Registers the keys that encrypt the cookies of pages. Gateways that share the folder read each other's cookies.</summary>
internal static class SessionKeyRing
{
    private const string LockFile = "lock";

    // A file that another process holds: errno on Linux and macOS, HRESULT on Windows.
    private const int WouldBlockOnLinux = 11, WouldBlockOnMac = 35, SharingViolation = unchecked((int)0x80070020);

    // How long another gateway may take to create the first key.
    private static readonly TimeSpan LockTimeout = TimeSpan.FromSeconds(10);

    public static void AddKeyRing(this WebApplicationBuilder builder, string? folder)
    {
        // Warns that the folder holds the keys unencrypted, and that keys in memory end with the process. Both are documented.
        builder.Logging.AddFilter("Microsoft.AspNetCore.DataProtection", LogLevel.Error);
        var protection = Configure(builder.Services.AddDataProtection());
        if (string.IsNullOrWhiteSpace(folder))
            protection.UseEphemeralDataProtectionProvider();
        else
            protection.PersistKeysToFileSystem(Open(folder));
    }

    // GCM needs fewer bytes than the framework's default, which appends a separate signature.
    private static IDataProtectionBuilder Configure(IDataProtectionBuilder protection) => protection
        .SetApplicationName("concertsaga-gateway")
        .UseCryptographicAlgorithms(new AuthenticatedEncryptorConfiguration { EncryptionAlgorithm = EncryptionAlgorithm.AES_256_GCM });

    /// <summary>
    /// Creates the folder and its first key. A gateway reads new keys once a day, so two gateways that start together must not create one
    /// each.
    /// </summary>
    private static DirectoryInfo Open(string folder)
    {
        try
        {
            var directory = OperatingSystem.IsWindows() ? Directory.CreateDirectory(folder)
                : Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            using var held = Lock(Path.Combine(directory.FullName, LockFile));
            if (directory.GetFiles("key-*.xml").Length == 0)
                DataProtectionProvider.Create(directory, protection => Configure(protection)).CreateProtector(LockFile).Protect([]);
            return directory;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new StartupException(
                $"Authentication:Pages:KeyFolder is {SettingText.Show("Authentication:Pages:KeyFolder", folder)}, which cannot be used: "
                    + $"{exception.Message.ReplaceLineEndings(" ")}; allowed: a folder that the gateway can write.");
        }
    }

    private static FileStream Lock(string file)
    {
        FileStream? held = null;
        SpinWait.SpinUntil(() => (held = TryLock(file)) is not null, LockTimeout);
        return held ?? new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
    }

    private static FileStream? TryLock(string file)
    {
        try
        {
            return new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException exception) when (exception.HResult is WouldBlockOnLinux or WouldBlockOnMac or SharingViolation)
        {
            return null;
        }
    }
}
