using System.Data.Common;
using System.Globalization;
using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;

namespace ConcertSaga.Shared.Hosting;

/// <summary>How every process of the product starts, migrates and ends.</summary>
public static class ServiceHost
{
    // Every top-level key a process of the product reads. Anything else on the command line is a mistake worth stopping for.
    private static readonly string[] KnownSections =
    [
        "Authentication", "AllowedHosts", "ConnectionStrings", "Cors", "Database", "DataDirectory", "DataPlatform", "environment", "Faults", "ForwardedHeaders",
        "Gateway", "Kestrel", "Limits", "Logging", "Messaging", "Payments", "Points", "Queue", "RateLimits", "Reservation", "ReverseProxy", "Seats", "urls"
    ];

    /// <summary>
    /// Runs one service as a process of its own: <c>migrate</c> as the first argument applies the migrations and ends, otherwise it serves
    /// until it is told to stop. A start that fails prints one line to standard error.
    /// </summary>
    /// <param name="name">The service's name in telemetry.</param>
    /// <param name="args">The command line: <c>migrate</c>, and <c>--Key=value</c> for any configuration key.</param>
    /// <param name="add">Registers the service.</param>
    /// <param name="map">Maps its endpoints.</param>
    /// <param name="prepare">What is to be done before it serves.</param>
    /// <param name="commands">What its program can do besides.</param>
    /// <returns>The exit code: 0, or 1 when the start failed, or a command's own.</returns>
    public static async Task<int> RunAsync(
        string name, string[] args, Action<WebApplicationBuilder> add, Action<WebApplication> map,
        Func<IServiceProvider, CancellationToken, Task>? prepare = null, params ServiceCommand[] commands)
    {
        var code = 0;
        var failed = await GuardAsync(async () =>
        {
            var own = commands.FirstOrDefault(one => args is [var first, ..] && first == one.Name);
            string[] arguments = own is null ? [] : own.TakeArguments(ref args);
            var command = TakeCommand(ref args, ["migrate", .. commands.Select(one => one.Name)]);
            var builder = CreateBuilder(args);
            builder.AddServiceDefaults(name);
            add(builder);
            await using var app = builder.Build();
            if (command == "migrate")
            {
                await app.Services.MigrateAsync(CancellationToken.None);
                return;
            }
            if (own is not null)
            {
                code = await own.RunAsync(app.Services, arguments, CancellationToken.None);
                return;
            }
            app.UseServiceDefaults();
            map(app);
            if (prepare is not null)
                await prepare(app.Services, CancellationToken.None);
            await app.RunAsync();
        });
        return failed != 0 ? failed : code;
    }

    /// <summary>
    /// Runs a process that is open to everybody and owns no data: no inner wall and no migrations. A start that fails prints one line to
    /// standard error.
    /// </summary>
    /// <param name="name">The service's name in telemetry.</param>
    /// <param name="args">The command line: <c>--Key=value</c> for any configuration key.</param>
    /// <param name="add">Registers the service.</param>
    /// <param name="map">Maps its endpoints.</param>
    /// <returns>The exit code: 0, or 1 when the start failed.</returns>
    public static Task<int> RunPublicAsync(string name, string[] args, Action<WebApplicationBuilder> add, Action<WebApplication> map) =>
        GuardAsync(async () =>
        {
            TakeCommand(ref args);
            var builder = CreateBuilder(args);
            builder.AddServiceDefaults(name);
            add(builder);
            await using var app = builder.Build();
            app.UsePublicDefaults();
            map(app);
            await app.RunAsync();
        });

    // Settings files lie beside the program, wherever it is started from.
    private static WebApplicationBuilder CreateBuilder(string[] args)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
        if (string.IsNullOrEmpty(builder.Configuration["urls"]) && string.IsNullOrEmpty(builder.Configuration["http_ports"]))
            builder.Configuration["urls"] = "http://*:8080";
        return builder;
    }

    /// <summary>Runs a process body and turns a failed start into one line on standard error and exit code 1.</summary>
    public static async Task<int> GuardAsync(Func<Task> run)
    {
        // What a process says and reads does not depend on the machine it runs on.
        CultureInfo.DefaultThreadCurrentCulture = CultureInfo.DefaultThreadCurrentUICulture = CultureInfo.InvariantCulture;
        CultureInfo.CurrentCulture = CultureInfo.CurrentUICulture = CultureInfo.InvariantCulture;
        try
        {
            await run();
            return 0;
        }
        catch (Exception exception) when (Explain(exception) is { } line)
        {
            await Console.Error.WriteLineAsync($"concertsaga: {line}");
            return 1;
        }
    }

    /// <summary>
    /// Takes the command, if there is one, from the front of the arguments, and refuses what is left when it is not <c>--Key=value</c> or
    /// <c>--Key value</c> of a known key.
    /// </summary>
    public static string? TakeCommand(ref string[] args, params string[] commands)
    {
        string? command = null;
        if (args.Length > 0 && !args[0].StartsWith('-'))
        {
            command = commands.Contains(args[0]) ? args[0]
                : throw new StartupException($"'{args[0]}' is not a command; allowed: {(commands is [] ? "none" : string.Join(", ", commands))}.");
            args = args[1..];
        }
        for (var i = 0; i < args.Length; i++)
        {
            var key = args[i].Split('=')[0];
            if (!key.StartsWith("--", StringComparison.Ordinal) || !KnownSections.Contains(key[2..].Split(':')[0], StringComparer.OrdinalIgnoreCase))
                throw new StartupException($"'{key}' is not an option; allowed: --Key=value with a configuration key, such as --urls=http://localhost:8080.");
            if (!args[i].Contains('=') && ++i == args.Length)
                throw new StartupException($"'{key}' needs a value.");
        }
        return command;
    }

    private static string? Explain(Exception exception) => exception switch
    {
        StartupException => exception.Message,
        IOException { InnerException: AddressInUseException } => $"{exception.Message.TrimEnd('.')}. Choose another with --urls=http://localhost:PORT.",
        InvalidDataException or FormatException when exception.InnerException is not null => $"{exception.Message} {exception.InnerException.Message}",
        AggregateException { InnerExceptions: [var only] } => Explain(only),
        DbException => $"The database cannot be used: {exception.Message.ReplaceLineEndings(" ")} Is it there, and brought up to date with the command migrate?",
        MassTransit.ConfigurationException => exception.Message.ReplaceLineEndings(" "),
        _ => null
    };
}
