using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Shared.Hosting;

/// <summary>
/// Checks the settings that the framework reads. The framework itself ignores unknown keys, and reports a wrong value late and without its
/// key.
/// </summary>
internal static class HostSettings
{
    private const string Endpoints = "such as http://localhost:8080 or http://*:8080";

    // Sections without an options class, with all their keys.
    private static readonly Dictionary<string, string[]> Names = new()
    {
        ["ConnectionStrings"] = ["Orchestrator", "Queue", "Seats", "Points", "Payments", "DataPlatform", "Operations", "RabbitMq"],
        ["Database"] = ["Provider", "SchemaTimeout"],
        ["Kestrel"] = ["Certificates", "EndpointDefaults", "Endpoints"],
        ["Logging"] = ["Console", "Debug", "EventLog", "EventSource", "LogLevel"],
        ["Payments"] = []
    };

    private static readonly string[] EndpointNames = ["Url", "Protocols", "SslProtocols", "ClientCertificateMode", "Certificate", "Sni"];

    public static void CheckHostSettings(this IConfiguration configuration)
    {
        foreach (var (section, names) in Names)
            CheckNames(configuration.GetSection(section), names);
        foreach (var key in new[] { "DataDirectory", "environment" })
            CheckNames(configuration.GetSection(key), [], hasValue: true);
        if (configuration["AllowedHosts"] is { Length: > 0 } hosts && hosts != "*")
            throw new StartupException($"AllowedHosts is {SettingText.Show("AllowedHosts", hosts)}, which is not a setting; allowed: none. "
                + "Every process accepts any host name. A proxy in front of the gateway can filter them.");
        CheckAddresses("urls", configuration["urls"]);
        CheckCertificate(configuration);
        foreach (var key in new[] { "http_ports", "https_ports" })
            CheckPorts(key, configuration[key]);
        CheckLevels(configuration.GetSection("Logging"));
        CheckEndpoints(configuration.GetSection("Kestrel"));
        if (configuration["OTEL_EXPORTER_OTLP_ENDPOINT"] is { Length: > 0 } collector)
            SettingValues.Address("OTEL_EXPORTER_OTLP_ENDPOINT", collector);
    }

    private static void CheckNames(IConfigurationSection section, string[] names, bool hasValue = false)
    {
        if (!hasValue && !string.IsNullOrEmpty(section.Value))
            throw new StartupException(
                $"{section.Path} is {SettingText.Show(section.Path, section.Value)}; allowed: settings below it, such as "
                    + $"{section.Path}:Name=value.");
        if (section.GetChildren().FirstOrDefault(child => !names.Contains(child.Key, StringComparer.OrdinalIgnoreCase)) is { } unknown)
            throw new StartupException(
                $"{unknown.Path} is not a setting; allowed: "
                    + $"{(names is [] ? "none below it" : string.Join(", ", names.Select(name => $"{section.Path}:{name}")))}.");
    }

    private static void CheckAddresses(string key, string? text)
    {
        foreach (var address in text?.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [])
        {
            if (!IsListenAddress(address))
                throw new StartupException(
                    $"{key} is {SettingText.ShowAddress(address)}; allowed: addresses {Endpoints}, separated by semicolons.");
        }
    }

    private static bool IsListenAddress(string address)
    {
        try
        {
            var parsed = BindingAddress.Parse(address);
            return parsed.Scheme is "http" or "https" && parsed is { PathBase: "" or "/", Port: >= 0 and <= 65535 }
                && IsListenable(parsed.Host);
        }
        catch (FormatException)
        {
            return false;
        }
    }

    // For any other host, even one it cannot parse, the server would listen on all interfaces.
    private static bool IsListenable(string host) => host is "*" or "+" || host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host, out var address) && (address.AddressFamily == AddressFamily.InterNetworkV6
            ? host.StartsWith('[') : host == address.ToString()));

    private static void CheckCertificate(IConfiguration configuration)
    {
        if ((configuration["urls"] ?? "").Contains("https://", StringComparison.OrdinalIgnoreCase)
            && !configuration.GetSection("Kestrel:Certificates:Default").GetChildren().Any())
            throw new StartupException($"urls is {SettingText.ShowAddress(configuration["urls"]!)}, which needs a certificate; "
                + "allowed: http, or https with Kestrel:Certificates:Default:Path.");
    }

    private static void CheckPorts(string key, string? text)
    {
        foreach (var port in text?.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [])
        {
            if (!ushort.TryParse(port, out _))
                throw new StartupException(
                    $"{key} is {SettingText.Show(key, port)}; allowed: ports from 0 to 65535, separated by semicolons.");
        }
    }

    private static void CheckLevels(IConfigurationSection logging)
    {
        foreach (var levels in logging.GetChildren().Append(logging).Select(provider => provider.GetSection("LogLevel")))
        {
            foreach (var level in levels.AsEnumerable().Where(pair => pair.Value is not null))
                SettingValues.Parse(level.Key, level.Value!, typeof(LogLevel));
        }
    }

    private static void CheckEndpoints(IConfigurationSection kestrel)
    {
        var endpoints = kestrel.GetSection("Endpoints").GetChildren().ToArray();
        foreach (var endpoint in endpoints.Append(kestrel.GetSection("EndpointDefaults")))
        {
            CheckNames(endpoint, EndpointNames);
            foreach (var (name, type) in new[] { ("Protocols", typeof(HttpProtocols)),
                ("ClientCertificateMode", typeof(ClientCertificateMode)) })
            {
                if (endpoint[name] is { } value)
                    SettingValues.Parse($"{endpoint.Path}:{name}", value, type);
            }
        }
        foreach (var endpoint in endpoints)
        {
            if (endpoint["Url"] is not { Length: > 0 } url)
                throw new StartupException($"{endpoint.Path}:Url is missing; allowed: an address {Endpoints}.");
            CheckAddresses($"{endpoint.Path}:Url", url);
        }
    }
}
