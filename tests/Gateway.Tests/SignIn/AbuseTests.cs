using System.Reflection;
using ConcertSaga.Testing;

namespace ConcertSaga.Gateway.Tests.SignIn;

/// <summary>Keeps the table of abuses in <c>docs/sign-in.md</c> and the tests in step.</summary>
public sealed class AbuseTests
{
    // One entry for each row of the table, with a test of each of its parts.
    private static readonly Dictionary<string, string[]> Rows = new()
    {
        ["an altered cookie, a cookie of other keys, an expired one, one cookie in the place of the other"] =
        [
            "SessionFormatTests.Ticket_ChangedAnywhere_IsRefused", "SessionFormatTests.Ticket_OfAnotherPurpose_IsRefused",
            "SessionEndpointsTests.Session_MissingOrInvalid_IsAnsweredWithoutARedirect",
            "SessionEndpointsTests.Session_Expired_IsRenewedUntilItsLastEnd",
            "SessionEndpointsTests.Session_InTheFormOfTheRenewal_IsRefused", "SessionGatewaysTests.Session_OfOtherKeys_IsRefused",
            "SessionGatewaysTests.Session_ExpiredOnOtherKeys_IsNotRenewed"
        ],
        ["a session that an attacker planted before the sign-in"] =
            ["SessionEndpointsTests.SignIn_OverAPlantedSession_StartsAnotherAndEndsIt"],
        ["a stolen session cookie after the sign-out"] =
        [
            "SessionEndpointsTests.SignOut_ByThePage_EndsTheSessionOnThisGateway",
            "SessionGatewaysTests.SignOut_OnAnotherGateway_SignsTheBrowserOutEverywhere",
            "SessionGatewaysTests.SignOut_OnAnotherGateway_EndsAStolenCookieWithinItsLifetime"
        ],
        ["a stolen renewal cookie after the sign-out, or with the session of another"] =
        [
            "TokenRenewalTests.SignOut_ByThePage_EndsTheSessionAtTheIssuerToo",
            "SessionEndpointsTests.Session_WithTheRenewalOfAnother_IsNotRenewed"
        ],
        ["a renewal that the issuer refuses, or grants to another user"] =
        [
            "TokenRenewalTests.Renewal_Refused_EndsTheSession", "TokenRenewalTests.Renewal_ForAnotherUser_EndsTheSession",
            "TokenRenewalTests.Session_BegunOnOneGateway_IsRenewedAtTheIssuerByAnother"
        ],
        ["a change from a page of another origin, without an origin, or with the origin `null`"] =
        [
            "CsrfCheckTests.Change_FromAnotherPage_IsRefused", "CsrfCheckTests.Change_BehindAProxy_NeedsThePublicOrigin",
            "PageCallerTests.Form_OfAnotherPage_IsRefused", "SessionGatewaysTests.Change_OnAnotherGateway_NeedsTheHeaderAndItsOrigin"
        ],
        ["a link that returns to another site"] =
        [
            "ReturnUrlTests.Address_NotLocal_IsReplacedByTheHomePage", "IssuerSignInTests.SignIn_ReturningElsewhere_ReturnsHome",
            "DemoFormTests.Form_ReturningElsewhere_ReturnsHome"
        ],
        ["a callback with a wrong state, code, nonce, issuer or audience; a code that is used again"] =
        [
            "IssuerSignInTests.Callback_WithAWrongState_IsRefused", "IssuerSignInTests.Callback_WithAWrongCode_IsRefused",
            "IssuerSignInTests.SignIn_WithAWrongToken_IsRefused", "IssuerSignInTests.Code_UsedTwice_IsRefused"
        ],
        ["a callback that another browser began; a form with the token of another browser"] =
        [
            "IssuerSignInTests.Callback_OfAnotherBrowser_IsRefused", "DemoFormTests.Form_FromAnotherPage_SignsNoOneIn",
            "DemoFormTests.Form_WithAMissingOrForeignToken_SignsNoOneIn"
        ],
        ["a cookie that a neighbouring host set"] = ["SessionEndpointsTests.Cookies_OverHttps_BelongToThisHostOnly"],
        ["a callback repeated in a loop"] = ["IssuerSignInTests.Callbacks_RepeatedQuickly_AreLimited"]
    };

    [Fact]
    public void Table_OfAbuses_HasATestOfEachRow()
    {
        var table = File.ReadLines(Path.Combine(Repository.Root, "docs", "sign-in.md"))
            .SkipWhile(line => !line.StartsWith("| abuse |", StringComparison.Ordinal)).Skip(2)
            .TakeWhile(line => line.StartsWith('|')).Select(line => line.Split('|')[1].Trim());

        Assert.Equal(table, Rows.Keys);
    }

    [Fact]
    public void Tests_OfAbuses_Exist()
    {
        var tests = typeof(AbuseTests).Assembly.GetTypes().SelectMany(type => type.GetMethods()
            .Where(method => method.GetCustomAttribute<FactAttribute>() is { Skip: null })
            .Select(method => $"{type.Name}.{method.Name}")).ToHashSet(StringComparer.Ordinal);

        Assert.DoesNotContain(Rows.Values, row => row.Length == 0);
        Assert.Empty(Rows.Values.SelectMany(row => row).Except(tests));
    }
}
