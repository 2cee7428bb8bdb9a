using System.Buffers.Text;
using System.Globalization;
using System.Text.Json;
using ConcertSaga.Orchestrator.Tickets;
using ConcertSaga.Shared.Hosting;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace ConcertSaga.AllInOne.Tickets;

/// <summary>What a verifier says about a code.</summary>
/// <param name="IsValid">Whether the door should open.</param>
/// <param name="Text">The reason, or for whom and which seats.</param>
internal sealed record TicketVerdict(bool IsValid, string Text);

/// <summary>Verifies codes of tickets without a connection to the product.</summary>
internal sealed class TicketVerifier
{
    private const string NoTicket = "the code is not of a ticket";

    private static readonly JsonSerializerOptions Strict = new(JsonSerializerDefaults.Web)
    {
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true
    };

    private readonly TokenValidationParameters _parameters;
    private readonly int? _scheduleId;
    private readonly HashSet<string> _revoked;

    private TicketVerifier(TokenValidationParameters parameters, RevokedTickets? revoked)
    {
        _parameters = parameters;
        _scheduleId = revoked?.ScheduleId;
        _revoked = revoked?.Tickets.ToHashSet(StringComparer.Ordinal) ?? [];
    }

    /// <summary>Creates a verifier.</summary>
    /// <param name="keys">The answer of <c>GET /api/tickets/keys</c>.</param>
    /// <param name="revoked">The answer of <c>GET /api/tickets/revoked/{scheduleId}</c>; null to accept cancelled tickets.</param>
    /// <exception cref="StartupException">One of them is something else.</exception>
    public static TicketVerifier Create(string keys, string? revoked)
    {
        try
        {
            var signingKeys = new JsonWebKeySet(keys).GetSigningKeys();
            if (signingKeys.Count == 0)
                throw new StartupException("The file of --keys has no key; allowed: the answer of GET /api/tickets/keys.");
            return new TicketVerifier(
                new TokenValidationParameters
                {
                    ValidAlgorithms = [SecurityAlgorithms.EcdsaSha256],
                    ValidTypes = [TicketCode.Type],
                    IssuerSigningKeys = signingKeys,
                    TryAllIssuerSigningKeys = false,
                    // A ticket has neither. The doorkeeper sees the start.
                    ValidateIssuer = false,
                    ValidateAudience = false,
                    ValidateLifetime = false
                },
                revoked is null ? null : ReadRevoked(revoked));
        }
        catch (ArgumentException)
        {
            throw new StartupException("The file of --keys is not a JSON Web Key Set; allowed: the answer of GET /api/tickets/keys.");
        }
    }

    /// <summary>Verifies a code.</summary>
    public async Task<TicketVerdict> VerifyAsync(string code)
    {
        var result = await new JsonWebTokenHandler().ValidateTokenAsync(code.Trim(), _parameters);
        if (!result.IsValid)
            return Rejected(ReasonOf(result.Exception));
        if (ReadClaims((JsonWebToken)result.SecurityToken) is not var (id, holder, scheduleId, start, seats)
            || TicketCode.ReservationOf(id) is not { } reservation)
            return Rejected(NoTicket);
        if (_scheduleId is { } listed && listed != scheduleId)
            return Rejected($"the ticket is for schedule {scheduleId}, and the list of revoked tickets is of schedule {listed}");
        if (_revoked.Contains(id))
            return Rejected($"reservation {reservation} was cancelled");
        var startsAt = DateTimeOffset.FromUnixTimeSeconds(start).ToString("yyyy-MM-dd'T'HH:mm'Z'", CultureInfo.InvariantCulture);
        return new TicketVerdict(true,
            $"valid: holder {holder}, seats {string.Join(", ", seats)} of schedule {scheduleId}, start {startsAt}, "
                + $"reservation {reservation}{(_scheduleId is null ? "; cancellations were not checked" : "")}.");
    }

    private static string ReasonOf(Exception? exception) => exception switch
    {
        SecurityTokenSignatureKeyNotFoundException => "its key is unknown; fetch the newest keys, or refuse the ticket",
        SecurityTokenInvalidTypeException => NoTicket,
        SecurityTokenInvalidSignatureException => "the signature is wrong, so the code was altered",
        _ => NoTicket
    };

    private static Claims? ReadClaims(JsonWebToken token)
    {
        try
        {
            return JsonSerializer.Deserialize<Claims>(Base64Url.DecodeFromChars(token.EncodedPayload), Strict);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static TicketVerdict Rejected(string reason) => new(false, $"rejected: {reason}.");

    private sealed record Claims(string Jti, string Sub, int Schedule, long Start, int[] Seats);

    private static RevokedTickets ReadRevoked(string text)
    {
        try
        {
            if (JsonSerializer.Deserialize<RevokedTickets>(text, JsonSerializerOptions.Web) is { ScheduleId: > 0, Tickets: not null } list)
                return list;
        }
        catch (JsonException)
        {
        }
        throw new StartupException(
            "The file of --revoked is not a list of revoked tickets; allowed: the answer of GET /api/tickets/revoked/{scheduleId}.");
    }
}
