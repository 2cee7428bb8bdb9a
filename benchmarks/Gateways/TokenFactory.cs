using System.Security.Cryptography;
using ConcertSaga.Contracts.Queue;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace ConcertSaga.Benchmarks.Gateways;

/// <summary>The keys of a run. Creates tokens in the format of the demo sign-in and the queue service.</summary>
internal sealed class TokenFactory
{
    private readonly byte[] _bearerKey, _waitingKey;
    private readonly ECDsa _passKey;
    private readonly JsonWebTokenHandler _handler = new();

    public TokenFactory(byte[]? bearerKey = null, byte[]? waitingKey = null, byte[]? passKey = null)
    {
        _bearerKey = bearerKey ?? RandomNumberGenerator.GetBytes(32);
        _waitingKey = waitingKey ?? RandomNumberGenerator.GetBytes(32);
        _passKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        if (passKey is not null)
            _passKey.ImportPkcs8PrivateKey(passKey, out _);
    }

    public const string Issuer = "concertsaga-demo", Audience = "concertsaga";

    /// <summary>All keys as one argument of a host's command line.</summary>
    public string Text =>
        string.Join(',', new[] { _bearerKey, _waitingKey, _passKey.ExportPkcs8PrivateKey() }.Select(Convert.ToBase64String));

    public string BearerKey => Convert.ToBase64String(_bearerKey);

    public SymmetricSecurityKey BearerSecurityKey => new(_bearerKey);

    public static TokenFactory Parse(string text) => text.Split(',') is [var bearer, var waiting, var pass]
        ? new TokenFactory(Convert.FromBase64String(bearer), Convert.FromBase64String(waiting), Convert.FromBase64String(pass))
        : throw new ArgumentException("The text needs three keys.", nameof(text));

    public string Bearer(string user, DateTime now) => _handler.CreateToken(new SecurityTokenDescriptor
    {
        Issuer = Issuer,
        Audience = Audience,
        Claims = new Dictionary<string, object> { ["sub"] = user, ["roles"] = Array.Empty<string>() },
        IssuedAt = now,
        NotBefore = now,
        Expires = now.AddHours(12),
        SigningCredentials = new SigningCredentials(BearerSecurityKey, SecurityAlgorithms.HmacSha256)
    });

    public string Waiting(string user, long number, DateTime now) =>
        QueueToken(user, QueueTokenFormat.WaitingType, QueueTokenFormat.WaitingAudience,
            new SigningCredentials(new SymmetricSecurityKey(_waitingKey) { KeyId = "w1" }, SecurityAlgorithms.HmacSha256), now,
            (QueueTokenFormat.NumberClaim, number));

    public string Pass(string user, DateTime now, int concertId = 1) =>
        QueueToken(user, QueueTokenFormat.PassType, QueueTokenFormat.PassAudience,
        new SigningCredentials(new ECDsaSecurityKey(_passKey) { KeyId = "p1" }, SecurityAlgorithms.EcdsaSha256), now,
        (QueueTokenFormat.BookUntilClaim, new DateTimeOffset(now.AddHours(1)).ToUnixTimeSeconds()), concertId);

    public QueueSnapshot Snapshot(DateTimeOffset now) => new(now, 20_000,
        [
            new("w1", QueueTokenKind.Waiting, Convert.ToBase64String(_waitingKey), now.AddDays(1)),
            new("p1", QueueTokenKind.Pass, Convert.ToBase64String(_passKey.ExportSubjectPublicKeyInfo()), now.AddDays(1))
        ], [Room(now)], []);

    public static QueueAdvanced Room(DateTimeOffset now) =>
        new(1, 1, 1, 2, now, 1_000_000, 10, now.AddHours(-1), now.AddHours(8), QueueAdmission.Open);

    private string QueueToken(string user, string type, string audience, SigningCredentials credentials, DateTime now,
        (string Name, long Value) more, int concertId = 1) =>
        _handler.CreateToken(new SecurityTokenDescriptor
        {
            TokenType = type,
            Issuer = QueueTokenFormat.Issuer,
            Audience = audience,
            Claims = new Dictionary<string, object>
            {
                ["sub"] = user,
                ["jti"] = Guid.CreateVersion7().ToString(),
                [QueueTokenFormat.ConcertClaim] = concertId,
                [more.Name] = more.Value
            },
            IssuedAt = now,
            NotBefore = now,
            Expires = now.AddHours(2),
            SigningCredentials = credentials
        });
}
