using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace ConcertSaga.Shared.Hosting.Faults;

/// <summary>Reads faults from section <c>Faults</c>, and from the file that <c>Faults:File</c> names.</summary>
internal static class FaultSettings
{
    private static readonly string[] Commands =
        ["HoldSeats", "ConfirmSeats", "ReleaseSeats", "DeductPoints", "RefundPoints", "ConfirmPayment", "CancelPayment"];

    /// <summary>Adds the faults this process starts with, and watches the file if there is one.</summary>
    public static FaultInjection AddFaults(this IHostApplicationBuilder builder)
    {
        var enabled = builder.Configuration.Read("Faults:Enabled", false);
        var injection = new FaultInjection(enabled);
        builder.Services.AddSingleton(injection);
        var section = builder.Configuration.GetSection("Faults");
        // Checked even while faults are off, so that a drill can simply enable them.
        var faults = Read(section, ["Enabled", "File"]);
        if (!enabled)
            return injection;
        if (section["File"] is { Length: > 0 } path)
        {
            var file = new FaultFile(path, faults);
            faults = file.ReadIfChanged()!;
            builder.Services.AddSingleton(file);
            builder.Services.AddHostedService<FaultFileWatcher>();
        }
        injection.Use(faults);
        Console.Error.WriteLine("concertsaga: fault injection is enabled (Faults:Enabled).");
        return injection;
    }

    /// <summary>Reads and checks the faults of each command.</summary>
    /// <param name="settings">Section <c>Faults</c>, or the file.</param>
    /// <param name="otherKeys">The allowed keys that are not commands.</param>
    /// <exception cref="StartupException">A key is unknown, or a value is not allowed.</exception>
    public static Dictionary<string, CommandFaults> Read(IConfiguration settings, params string[] otherKeys)
    {
        var faults = new Dictionary<string, CommandFaults>(StringComparer.Ordinal);
        foreach (var child in settings.GetChildren().Where(child => !otherKeys.Contains(child.Key, StringComparer.OrdinalIgnoreCase)))
        {
            var command = Commands.FirstOrDefault(name => name.Equals(child.Key, StringComparison.OrdinalIgnoreCase))
                ?? throw new StartupException(
                    $"{child.Path} is not a setting; allowed: "
                        + $"{string.Join(", ", otherKeys.Concat(Commands).Select(key => child.Path[..^child.Key.Length] + key))}.");
            if (!string.IsNullOrEmpty(child.Value))
                throw new StartupException(
                    $"{child.Path} is '{child.Value}'; allowed: settings below it, such as {child.Path}:DropRate=0.5.");
            faults[command] = child.BindOptions<CommandFaults>();
        }
        return faults;
    }
}
